/** The fills tape and the list of recent orders: rows come in at the top and change in place. */

import { byId, el, setText, show } from "./dom.js";
import { bps, clock, durationText, exactClock, NOTHING, stepped, tone } from "./format.js";
import { keyOf } from "./state.js";

export const TAPE_ROWS = 120;
const ORDER_ROWS = 60;

const SIDES = { buy: ["▲ buy", "up"], sell: ["▼ sell", "down"] };

function sideCell(side) {
  const [text, className] = SIDES[side] ?? [String(side ?? ""), ""];
  return el("td", { className: `side ${className}` }, text);
}

/** Rows of a table body by key, newest first. */
class Rows {
  constructor(body, rowsMax) {
    this.body = body;
    this.rowsMax = rowsMax;
    this.rows = new Map();
  }

  clear() {
    this.rows.clear();
    this.body.replaceChildren();
  }

  /** records: oldest first. make(record) → row; update(row, record) on later calls. */
  draw(records, keyOf, make, update) {
    const kept = new Set();
    let place = null;
    for (const record of records.slice(-this.rowsMax)) {
      const key = keyOf(record);
      kept.add(key);
      let row = this.rows.get(key);
      if (!row) {
        row = make(record);
        this.rows.set(key, row);
        this.body.insertBefore(row, place ?? this.body.firstChild);
      }
      update?.(row, record);
      place = row;
    }
    for (const [key, row] of this.rows) {
      if (kept.has(key)) continue;
      row.remove();
      this.rows.delete(key);
    }
  }
}

export class Tape {
  /** onOpen(order id) when a fill is chosen. */
  constructor(onOpen) {
    this.onOpen = onOpen;
    this.rows = new Rows(byId("tape"), TAPE_ROWS);
  }

  clear() {
    this.rows.clear();
  }

  /** instrument: its tick and lot, where known. */
  draw(trades, instrument) {
    show(byId("tape-nothing"), trades.length === 0);
    this.rows.draw(trades, (trade) => keyOf("trades", trade), (trade) => tradeRow(trade, this.onOpen), (row, trade) => updateTrade(row, trade, instrument));
  }
}

function tradeRow(trade, onOpen) {
  const taker = trade.liquidity === "taker" ? [el("span", { className: "taker", title: "took liquidity" }, "T")] : [];
  const side = sideCell(trade.side);
  side.append(...taker);
  return el(
    "tr",
    { className: trade.snapshot ? "" : "fresh", onclick: () => onOpen(String(trade.order_id)), title: `fill ${trade.fill_id}, order ${trade.order_id}, fee ${trade.fee} ${trade.fee_currency}` },
    el("td", { className: "dim" }, el("button", { className: "link", type: "button", "aria-label": `The order of the fill at ${clock(trade.time_ms)}` }, clock(trade.time_ms))),
    side,
    el("td", { className: "num" }),
    el("td", { className: "num" }),
    el("td", { className: `num ${tone(trade.edge_bps)}` }, bps(trade.edge_bps, true)),
  );
}

function updateTrade(row, trade, instrument) {
  const [, , amount, at] = row.children;
  setText(amount, stepped(trade.quantity, instrument?.lot));
  setText(at, stepped(trade.price, instrument?.tick));
}

export class OrderList {
  /** onOpen(order id) when one is chosen. */
  constructor(onOpen) {
    this.onOpen = onOpen;
    this.rows = new Rows(byId("orders"), ORDER_ROWS);
  }

  clear() {
    this.rows.clear();
  }

  /** instrument: its tick and lot, where known. */
  draw(orders, instrument) {
    show(byId("orders-nothing"), orders.length === 0);
    this.rows.draw(orders, (order) => keyOf("orders", order), (order) => this.row(order), (row, order) => updateOrder(row, order, instrument));
  }

  row(order) {
    const id = String(order.order_id);
    const open = () => this.onOpen(id);
    const link = el("button", { className: "link", type: "button", title: id }, id);
    return el(
      "tr",
      { className: order.snapshot ? "" : "fresh", onclick: open, "data-order": id },
      el("td", { className: "dim" }, clock(order.time_ms), el("span", { className: "ms" }, exactClock(order.time_ms).slice(-4))),
      el("td", {}, link),
      sideCell(order.side),
      el("td", { className: "num" }),
      el("td", { className: "num" }),
      el("td", {}, el("span", { className: "chip" }), el("span", { className: "why" })),
      el("td", { className: "num" }),
    );
  }
}

/** States whose reason a trader wants to see at once. */
const TOLD = new Set(["rejected", "unknown", "expired"]);

function updateOrder(row, order, instrument) {
  const [, , , amount, at, state, latency] = row.children;
  setText(amount, stepped(order.quantity, instrument?.lot));
  setText(at, stepped(order.price, instrument?.tick));
  const [chip, why] = state.children;
  const name = String(order.state ?? NOTHING);
  setText(chip, name.replaceAll("_", " "));
  chip.dataset.state = name;
  setText(why, TOLD.has(name) && order.reason ? String(order.reason).replaceAll("_", " ") : "");
  setText(latency, durationText(order.duration_us));
}
