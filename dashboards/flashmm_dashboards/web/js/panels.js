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
  const currency = item ? String(item.currency) : "";
  put("pnl-net", item?.net, format.money(item?.net), format.moneyTone(item?.net));
  for (const id of ["pnl-currency", "pnl-unit", "notional-unit"]) setText(byId(id), currency);
  for (const part of ["realized", "unrealized", "fees", "funding"]) {
    put(`pnl-${part}`, item?.[part], format.money(item?.[part]), format.moneyTone(item?.[part]));
  }
  put("notional", item?.notional, format.amount(item?.notional));
  put("net-bps", item?.net_bps, format.bps(item?.net_bps, true), format.tone(item?.net_bps));
}

/** Whose run it is, since when, and on what market. */
export function drawBot(item) {
  const began = format.beganMs(item?.run);
  setText(byId("since"), began ? `since ${format.dayClock(began)}` : "since the run began");
  byId("since").title = began ? `The run began ${new Date(began).toISOString()}; its id is ${item.run}` : "";
  setText(byId("demo-market"), MARKETS[item?.feed] ?? "a market");
}

const MARKETS = { simulated: "a simulated market", recorded: "a recorded market, played again", live: "the live public market" };

export function drawSpread(item) {
  const mean = item?.mean;
  const difference = mean?.difference_bps;
  setText(byId("spread-label"), comparison(difference));
  put("spread-difference", difference, format.bps(difference).replace("\u2212", ""), format.tone(difference));
  put("spread-own", mean?.own_bps, format.bps(mean?.own_bps));
  put("spread-market", mean?.market_bps, format.bps(mean?.market_bps));
  const [own, market] = [Number(mean?.own_bps) || 0, Number(mean?.market_bps) || 0];
  byId("spread-own-bar").style.width = `${(100 * own) / Math.max(own, market, 1e-9)}%`;
  byId("spread-market-bar").style.width = `${(100 * market) / Math.max(own, market, 1e-9)}%`;
  put("tick-bound", mean?.tick_bound, format.percent(mean?.tick_bound));
  put("uptime", mean?.uptime, format.percent(mean?.uptime));
  put("at-best", mean?.at_best, format.percent(mean?.at_best));
  const seconds = Number(mean?.seconds ?? 300);
  for (const each of document.querySelectorAll('[data-window="mean"]')) setText(each, seconds < 299 ? `last ${format.span(seconds)}` : "last 5 min");
}

function comparison(difference) {
  if (!isDecimal(difference)) return "Spread against market";
  return ["Wider than market", "As wide as the market", "Tighter than market"][sign(difference) + 1];
}

export function drawMarket(item, instrument) {
  const price = (text) => format.stepped(text, instrument?.tick);
  put("mid", item?.mid, price(item?.mid));
  put("best-bid", item?.bid, price(item?.bid));
  put("best-ask", item?.ask, price(item?.ask));
  setText(byId("quote-unit"), String(instrument?.quote ?? ""));
}

export function drawInventory(item, instrument) {
  put("position", item?.position, format.signedQuantity(item?.position));
  for (const id of ["position-unit", "inventory-unit"]) setText(byId(id), instrument ? String(instrument.base ?? "") : "");
  put("utilization", item?.utilization, format.percent(item?.utilization));
}

export function drawActivity(item) {
  put("fills", item?.fills, format.count(item?.fills));
  put("orders-total", item?.orders, format.count(item?.orders));
  const share = item?.fills > 0 ? ((100 * item.maker_fills) / item.fills).toFixed(0) : format.NOTHING;
  put("maker-share", item?.fills > 0 ? item.maker_fills : null, share);
  put("rejected", item?.rejected, format.count(item?.rejected));
}

export function drawModel(item) {
  const rate = item?.accuracy ?? item?.hit_rate;
  put("accuracy", rate, format.percent(rate));
  const judged = item?.judged ? `hit rate ${format.percent(item.hit_rate)} % of the last ${item.judged}` : String(item?.model ?? "no predictions yet");
  setText(byId("model-name"), judged);
  setText(byId("model-window"), item?.accuracy === undefined ? "" : "by the bot");
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
  setText(byId("latency-readout"), item ? `last ${format.count(item.window)} orders; bar p50, its tail p99` : "");
  setText(byId("latency-window"), item ? `last ${format.count(item.window)}` : "");
  byId("stages").replaceChildren(...(item ? stageRows(item) : []));
}

function stageRows(item) {
  const known = STAGES.filter((stage) => item.stages?.[stage]);
  // The whole's tail may be a time-out many times as long as any stage: it runs out of the picture, its number stays.
  const widest = Math.max(1.2 * item.total.p50_us, ...known.map((stage) => item.stages[stage].p99_us));
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
