/** Key figures and the latency stages. Every `<data>` holds the exact value that came over the wire. */

import { isDecimal, sign } from "./decimal.js";
import { byId, el, setText, show } from "./dom.js";
import * as format from "./format.js";

/** Show a value; its exact form goes into the element's value and title. */
function put(id, exact, shown, className) {
  const element = byId(id);
  const value = exact === undefined || exact === null ? "" : String(exact);
  setText(element, shown);
  if (element.getAttribute("value") !== value) element.setAttribute("value", value);
  if (element.title !== value) element.title = value;
  if (className !== undefined && element.className !== className) element.className = className;
}

export function drawPnl(item) {
  put("pnl-net", item?.net, format.money(item?.net), format.tone(item?.net));
  setText(byId("pnl-currency"), item ? String(item.currency) : "");
  for (const part of ["realized", "unrealized", "fees", "funding"]) {
    put(`pnl-${part}`, item?.[part], format.money(item?.[part]), format.tone(item?.[part]));
  }
}

export function drawSpread(item) {
  const difference = item?.difference_bps;
  const wider = isDecimal(difference) && sign(difference) < 0;
  const quoting = !item || isDecimal(item.own_bps);
  setText(byId("spread-label"), !quoting ? "Not quoting both sides" : wider ? "Wider than market" : "Tighter than market");
  put("spread-difference", difference, format.bps(difference).replace("\u2212", ""), format.tone(difference));
  put("spread-own", item?.own_bps, format.bps(item?.own_bps));
  put("spread-market", item?.market_bps, format.bps(item?.market_bps));
  put("tick-bound", item?.tick_bound, format.percent(item?.tick_bound));
  put("uptime", item?.uptime, format.percent(item?.uptime));
  put("at-best", item?.at_best, format.percent(item?.at_best));
}

export function drawMarket(item, instrument) {
  const price = (text) => format.stepped(text, instrument?.tick);
  put("mid", item?.mid, price(item?.mid));
  put("best-bid", item?.bid, price(item?.bid));
  put("best-ask", item?.ask, price(item?.ask));
}

export function drawInventory(item, instrument) {
  put("position", item?.position, format.signedQuantity(item?.position));
  setText(byId("position-unit"), instrument ? String(instrument.base ?? "") : "");
  put("utilization", item?.utilization, format.percent(item?.utilization));
}

export function drawActivity(item) {
  put("fills", item?.fills, format.count(item?.fills));
  put("orders-total", item?.orders, format.count(item?.orders));
  const share = item?.fills > 0 ? ((100 * item.maker_fills) / item.fills).toFixed(0) : format.NOTHING;
  setText(byId("maker-share"), share);
}

export function drawModel(item) {
  const rate = item?.accuracy ?? item?.hit_rate;
  put("accuracy", rate, format.percent(rate));
  const judged = item?.judged ? `hit rate ${format.percent(item.hit_rate)} % of ${item.judged}` : String(item?.model ?? "no predictions yet");
  setText(byId("model-name"), judged);
  byId("model-name").title = String(item?.model ?? "");
}

function putDuration(id, micros) {
  const { value, unit } = format.duration(micros);
  put(id, micros, value);
  setText(byId(`${id}-unit`), unit);
}

const STAGES = ["receive", "decide", "risk_check", "sign", "submit", "ack"];

export function drawLatency(item) {
  putDuration("latency-p50", item?.total?.p50_us);
  putDuration("latency-p99", item?.total?.p99_us);
  show(byId("stages-nothing"), !item);
  setText(byId("latency-readout"), item ? `last ${format.count(item.window)} orders` : "");
  byId("stages").replaceChildren(...(item ? stageRows(item) : []));
}

function stageRows(item) {
  const known = STAGES.filter((stage) => item.stages?.[stage]);
  const widest = Math.max(item.total.p99_us, ...known.map((stage) => item.stages[stage].p99_us));
  const head = ["Stage", "", "p50", "p99"].map((text, place) => el("span", { className: place > 1 ? "head num" : "head" }, text));
  const rows = known.flatMap((stage) => stageRow(stage.replaceAll("_", " "), item.stages[stage], widest, ""));
  return [...head, ...rows, ...stageRow("tick to ack", item.total, widest, "total")];
}

function stageRow(name, { p50_us, p99_us }, widest, className) {
  const whole = className ? "whole" : "";
  return [
    el("span", { className: whole }, name),
    bar(className, [["p99", 0, p99_us / widest], ["p50", 0, p50_us / widest]]),
    el("span", { className: `num ${whole}` }, format.durationText(p50_us)),
    el("span", { className: "num dim" }, format.durationText(p99_us)),
  ];
}

/** A bar with parts [class, start, length] as fractions of its width. */
export function bar(className, parts) {
  const pieces = parts.map(([part, start, length]) => {
    const piece = el("i", { className: part });
    piece.style.left = `${100 * start}%`;
    piece.style.width = `${100 * length}%`;
    return piece;
  });
  return el("span", { className: `bar ${className}`, "aria-hidden": "true" }, ...pieces);
}
