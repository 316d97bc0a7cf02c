/** One order: where the time of its placement went, and what happened to it later. */

import { byId, el, setText } from "./dom.js";
import { isDecimal, sign } from "./decimal.js";
import { durationText, exactClock, stepped } from "./format.js";
import { bar } from "./panels.js";

const STATES = { "flashmm.fill": "fill", "flashmm.order": "state" };

export class OrderDialog {
  constructor() {
    this.dialog = byId("order-dialog");
    this.body = byId("order-body");
    this.asked = 0;
    this.dialog.addEventListener("click", (click) => click.target === this.dialog && this.dialog.close());
  }

  async open(id) {
    const asked = ++this.asked;
    setText(byId("order-title"), `Order ${id}`);
    setText(byId("order-subtitle"), "");
    this.body.replaceChildren(el("p", { className: "nothing" }, "Loading…"));
    if (!this.dialog.open) this.dialog.showModal();
    const content = await load(id);
    if (asked === this.asked) this.show(content);
  }

  show({ subtitle, parts }) {
    setText(byId("order-subtitle"), subtitle);
    this.body.replaceChildren(...parts);
  }
}

async function load(id) {
  try {
    const answer = await fetch(`/api/orders/${encodeURIComponent(id)}`);
    const order = await answer.json();
    return answer.ok ? describe(order) : nothing(String(order.error?.message ?? `HTTP ${answer.status}`));
  } catch (failure) {
    return nothing(`The order could not be loaded: ${failure.message}. Try again in a moment.`);
  }
}

function nothing(text) {
  return { subtitle: "", parts: [el("p", { className: "nothing" }, text)] };
}

function describe(order) {
  const placement = (order.placement ?? []).map(timed);
  const root = placement.find((span) => span.name === "order") ?? placement[0];
  const events = (order.events ?? []).map(flat).sort(byTime);
  const start = root?.start ?? events[0]?.at ?? 0n;
  const parts = [];
  if (root) parts.push(section("Placement", waterfall(root, placement)));
  const later = (order.later ?? []).map(timed).filter((span) => span.end > span.start);
  const lines = [...events, ...later].sort(byTime).map((each) => (each.name ? spanLine(each, start) : eventLine(each, start)));
  parts.push(section("Life", lines.length ? el("div", { className: "life" }, ...lines.flat()) : el("p", { className: "nothing" }, "Nothing further yet.")));
  return { subtitle: subtitle(root, events), parts };
}

function timed(span) {
  const start = nanos(span.start_ns);
  return { ...span, start, at: start, end: nanos(span.end_ns) };
}

function byTime(a, b) {
  return a.at < b.at ? -1 : Number(a.at > b.at);
}

function flat(event) {
  const fields = { ...event, ...event.fields };
  return { ...fields, at: nanos(fields.time_ns) };
}

function nanos(value) {
  try {
    return BigInt(value ?? 0);
  } catch {
    return 0n;
  }
}

const micros = (span) => Number(span) / 1_000;

function subtitle(root, events) {
  const order = events.find((event) => event.price !== undefined) ?? {};
  const attributes = root?.attributes ?? {};
  const what = [order.side ?? attributes["flashmm.side"], stepped(order.quantity), order.symbol ?? attributes["flashmm.symbol"], "at", stepped(order.price)];
  const begun = root?.start ?? events[0]?.at;
  return `${what.filter(Boolean).join(" ")}${begun ? ` · ${exactClock(Number(begun / 1_000_000n))}` : ""}`;
}

function section(title, content) {
  return el("section", {}, el("h3", {}, title), content);
}

function waterfall(root, spans) {
  const whole = Math.max(1, micros(root.end - root.start));
  const children = spans.filter((span) => span !== root).sort((a, b) => (a.start < b.start ? -1 : 1));
  const rows = [...children, root].flatMap((span) => {
    const failed = span.status === 2 || span.status === "error" ? "failed" : "";
    const part = ["p50", micros(span.start - root.start) / whole, micros(span.end - span.start) / whole];
    const name = span === root ? "tick to ack" : String(span.name).replaceAll("_", " ");
    return [
      el("span", { className: span === root ? "whole" : "" }, name),
      bar(failed || (span === root ? "total" : ""), [part]),
      el("span", { className: "num" }, durationText(micros(span.end - span.start))),
    ];
  });
  return el("div", { className: "waterfall" }, ...rows);
}

function eventLine(event, start) {
  const isFill = STATES[event.kind] === "fill" || event.fill_id !== undefined;
  const state = isFill ? "fill" : String(event.state ?? event.kind ?? "");
  const chip = el("span", { className: "chip", "data-state": isFill ? "filled" : state }, state.replaceAll("_", " "));
  return [el("span", { className: "dim num" }, `+${durationText(micros(event.at - start))}`), el("span", {}, chip), el("span", {}, isFill ? fillText(event) : stateText(event))];
}

function fillText(event) {
  const fee = event.fee === undefined ? "" : `, fee ${event.fee} ${event.fee_currency ?? ""}`;
  return `${stepped(event.quantity)} at ${stepped(event.price)}, ${event.liquidity ?? ""}${fee}`;
}

function stateText(event) {
  const filled = isDecimal(event.filled_quantity) && sign(event.filled_quantity) ? `${stepped(event.filled_quantity)} filled` : "";
  return [event.reason, filled].filter(Boolean).map(String).join(" · ");
}

function spanLine(span, start) {
  const text = `${String(span.name)} took ${durationText(micros(span.end - span.start))}`;
  return [el("span", { className: "dim num" }, `+${durationText(micros(span.start - start))}`), el("span", {}, el("span", { className: "chip" }, "trace")), el("span", {}, text)];
}
