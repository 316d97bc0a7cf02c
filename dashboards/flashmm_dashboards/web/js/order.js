/** One order: where the time of its placement went, and what happened to it later; or a trace that is about none. */

import { byId, el, setText } from "./dom.js";
import { isDecimal, sign } from "./decimal.js";
import { durationText, exactClock, stepped } from "./format.js";
import { bar } from "./panels.js";
import { describeTrace, failed, linesPath, micros, nanos, section, timed } from "./trace.js";

const PLACEMENTS_MAX = 5;
const STATES = { "flashmm.fill": "fill", "flashmm.order": "state" };

export class OrderDialog {
  /** instrumentOf(order): tick and lot of an order's market, where they are known. */
  constructor(instrumentOf) {
    this.instrumentOf = instrumentOf;
    this.dialog = byId("order-dialog");
    this.body = byId("order-body");
    this.asked = 0;
    this.found = null;
    this.dialog.addEventListener("click", (click) => click.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("close", () => this.dialog.open || remember({}));
  }

  open(id) {
    return this.show({ order: id }, () => this.order(id));
  }

  /** What the address asks for: `?order=<id>`; `?trace=<id>` for a trace, or the order that it is about; with both the trace. */
  openAddressed() {
    const asked = new URLSearchParams(location.search);
    const [id, trace] = [asked.get("order"), asked.get("trace")];
    if (trace !== null) this.openTrace(trace, id);
    else if (id !== null) this.open(id);
  }

  /** of: the order whose trace it is; without, the order is opened if there is one. */
  openTrace(id, of = null) {
    return this.show({ ...(of === null ? {} : { order: of }), trace: id }, () => this.trace(id, of));
  }

  /** By the query: no path can hold `..` or a line feed. */
  async order(id) {
    const found = await ask(`/api/orders/?id=${encodeURIComponent(id)}`, `Order ${id}`);
    return found.sorry ? found : { ...found, link: (trace) => link(trace, { order: id, trace }, () => this.openTrace(trace, id)) };
  }

  async trace(id, of) {
    const found = await ask(`/api/traces/${encodeURIComponent(id)}`, `Trace ${id}`);
    if (found.sorry) return found;
    if (found.order_id && of === null) return this.order(found.order_id);
    const back = of === null ? null : link(`order ${of}`, { order: of }, () => this.open(of));
    return { ...found, back, lines: await ask(linesPath(found), "Its log lines") };
  }

  /** opened: what names it in the address, so that it can be shared. */
  async show(opened, read) {
    const asked = ++this.asked;
    const title = "trace" in opened ? `Trace ${opened.trace}` : `Order ${opened.order}`;
    this.found = null;
    remember(opened);
    this.fill(title, "", [el("p", { className: "nothing" }, "Loading…")]);
    if (!this.dialog.open) this.dialog.showModal();
    const found = await read();
    if (asked !== this.asked) return;
    if (found.sorry) this.fill(title, "", [el("p", { className: "nothing" }, found.sorry)]);
    else {
      this.found = found;
      this.draw();
    }
  }

  /** Again, when more is known of instruments. */
  draw() {
    if (!this.found || !this.dialog.open) return;
    if (this.found.lines) this.fill(`Trace ${this.found.trace_id}`, ...describeTrace(this.found));
    else this.fill(`Order ${this.found.order_id}`, ...describe(this.found, (item) => this.instrumentOf(item)));
  }

  fill(title, subtitle, parts) {
    setText(byId("order-title"), title);
    setText(byId("order-subtitle"), subtitle);
    this.body.replaceChildren(...parts);
  }
}

/** The page's address with this opened, and all else that it says. */
function address(opened) {
  const kept = new URLSearchParams(location.search);
  for (const name of ["order", "trace"]) kept.delete(name);
  for (const [name, value] of Object.entries(opened)) kept.set(name, value);
  return `${location.pathname}${String(kept) && `?${kept}`}`;
}

/** Nothing is added to the history: back leads to the page before. */
function remember(opened) {
  history.replaceState(null, "", address(opened));
}

/** Opens here, or in another tab if that is asked for. */
function link(text, opened, open) {
  const onclick = (click) => {
    if (click.ctrlKey || click.metaKey || click.shiftKey) return;
    click.preventDefault();
    open();
  };
  return el("a", { href: address(opened), onclick }, text);
}

/** The answer, or { sorry: what to say }. */
async function ask(path, what) {
  try {
    const answer = await fetch(path);
    if (answer.ok) return await answer.json();
    if (answer.status === 501) return { sorry: (await answer.json()).error.message };
    return { sorry: answer.status === 404 ? `${what} is not in the store: it may be too old, or not there yet.` : `The store answered ${answer.status}. Try again in a moment.` };
  } catch (failure) {
    return { sorry: `${what} could not be loaded: ${failure.message}. Try again in a moment.` };
  }
}

/** The subtitle, and the parts of the dialog. */
function describe(found, instrumentOf) {
  const placement = (found.placement ?? []).map(timed);
  const root = placement.find((span) => span.name === "order") ?? placement[0];
  const events = (found.events ?? []).map(flat).sort(byTime);
  const start = root?.start ?? events[0]?.at ?? 0n;
  const instrument = instrumentOf(marketOf(root, events));
  const parts = [];
  parts.push(...placements(placement, root));
  if (root?.trace_id) parts.push(el("p", { className: "readout" }, "Trace with its log lines ", el("code", {}, found.link(root.trace_id))));
  const later = (found.later ?? []).map(timed).filter((span) => span.end > span.start);
  const lines = [...events, ...later].sort(byTime).map((each) => (each.name ? spanLine(each, start) : eventLine(each, start, instrument)));
  parts.push(section("Life, from the tick on", lines.length ? el("div", { className: "life" }, ...lines.flat()) : el("p", { className: "nothing" }, "Nothing further yet.")));
  return [subtitle(root, events, instrument), parts];
}

/** One waterfall for each placement: an id may have been used again. */
function placements(spans, first) {
  const roots = spans.filter((span) => span.name === "order").slice(-PLACEMENTS_MAX);
  const each = roots.length ? roots : first ? [first] : [];
  return each.map((root) => {
    const when = each.length > 1 ? `, ${exactClock(micros(root.start) / 1_000)}` : "";
    const own = spans.filter((span) => span.trace_id === root.trace_id);
    return section(`Placement: where its time went${when}`, waterfall(root, own));
  });
}

function marketOf(root, events) {
  const said = events.find((event) => event.symbol) ?? {};
  const attributes = root?.attributes ?? {};
  const owner = said.bot ? { bot: said.bot, account: said.account } : {};
  return { ...owner, venue: said.venue ?? attributes["flashmm.venue"], symbol: said.symbol ?? attributes["flashmm.symbol"] };
}

function byTime(a, b) {
  return a.at < b.at ? -1 : Number(a.at > b.at);
}

function flat(event) {
  const fields = { ...event, ...event.fields };
  return { ...fields, at: nanos(fields.time_ns) };
}

function subtitle(root, events, instrument) {
  const order = events.find((event) => event.price !== undefined) ?? {};
  const attributes = root?.attributes ?? {};
  const what = [order.side ?? attributes["flashmm.side"], stepped(order.quantity, instrument?.lot), order.symbol ?? attributes["flashmm.symbol"], "at", stepped(order.price, instrument?.tick)];
  const begun = root?.start ?? events[0]?.at;
  const when = begun && exactClock(Number(begun / 1_000_000n));
  return [what.filter(Boolean).join(" "), when, root?.service || events[0]?.bot].filter(Boolean).join(" · ");
}

function waterfall(root, spans) {
  const totalUs = Math.max(1, micros(root.end - root.start));
  const children = spans.filter((span) => span !== root).sort((a, b) => (a.start < b.start ? -1 : 1));
  const rows = [...children, root].flatMap((span) => {
    const part = ["p50", micros(span.start - root.start) / totalUs, micros(span.end - span.start) / totalUs];
    const name = span === root ? whole(root) : String(span.name).replaceAll("_", " ");
    return [
      el("span", { className: span === root ? "whole" : "" }, name),
      bar(failed(span) ? "failed" : span === root ? "total" : "", [part]),
      el("span", { className: "num" }, durationText(micros(span.end - span.start))),
      el("span", { className: "num dim" }, `${((100 * micros(span.end - span.start)) / totalUs).toFixed(0)} %`),
    ];
  });
  return el("div", { className: "waterfall" }, ...rows);
}

const ENDINGS = { acked: "tick to ack", rejected: "tick to rejection", unknown: "tick to time-out", expired: "tick to expiry" };

/** What the whole placement's time is, by how it ended. */
function whole(root) {
  const outcome = root.attributes?.["flashmm.order.outcome"];
  return ENDINGS[outcome] ?? "tick to end";
}

function eventLine(event, start, instrument) {
  const isFill = STATES[event.kind] === "fill" || event.fill_id !== undefined;
  const state = isFill ? "fill" : String(event.state ?? event.kind ?? "");
  const chip = el("span", { className: "chip", "data-state": isFill ? "filled" : state }, state.replaceAll("_", " "));
  return [el("span", { className: "dim num" }, `+${durationText(micros(event.at - start))}`), el("span", {}, chip), el("span", {}, isFill ? fillText(event, instrument) : stateText(event, instrument))];
}

function fillText(event, instrument) {
  const fee = event.fee === undefined ? "" : `, fee ${stepped(event.fee)} ${event.fee_currency ?? ""}`;
  return `${stepped(event.quantity, instrument?.lot)} at ${stepped(event.price, instrument?.tick)}, ${event.liquidity ?? ""}${fee}`;
}

/** A replacement says its new price and quantity; whatever has a reason says it. */
function stateText(event, instrument) {
  const filled = isDecimal(event.filled_quantity) && sign(event.filled_quantity) ? `${stepped(event.filled_quantity, instrument?.lot)} filled` : "";
  const now = event.state === "replaced" ? `now ${stepped(event.quantity, instrument?.lot)} at ${stepped(event.price, instrument?.tick)}` : "";
  return [now, event.reason && String(event.reason).replaceAll("_", " "), filled].filter(Boolean).join(" · ");
}

function spanLine(span, start) {
  const text = `${String(span.name)} took ${durationText(micros(span.end - span.start))}`;
  return [el("span", { className: "dim num" }, `+${durationText(micros(span.start - start))}`), el("span", {}, el("span", { className: "chip" }, "trace")), el("span", {}, text)];
}
