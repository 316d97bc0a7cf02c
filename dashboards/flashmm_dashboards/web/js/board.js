/** The board: what is selected, what it shows of it, and when it is drawn again. */

import { TimeChart } from "./chart.js";
import { byId, el, setText, show } from "./dom.js";
import * as format from "./format.js";
import { fetchHistory } from "./history.js";
import { OrderDialog } from "./order.js";
import * as panels from "./panels.js";
import { ownerOf } from "./state.js";
import { OrderList, Tape } from "./tables.js";

const RANGES = [["5 m", 300], ["15 m", 900], ["1 h", 3_600], ["6 h", 21_600], ["24 h", 86_400]];
const CHART_EVERY_MS = 250;
const STALE_MS = 15_000;
const WINDOW_MIN_S = 60;
const CHARTED = ["pnl", "spread", "inventory", "model"];

const percentTicks = (_, splits) => splits.map((value) => `${(100 * value).toFixed(0)}`);

export class Board {
  constructor(state) {
    this.state = state;
    this.selection = fromAddress();
    this.rangeS = 900;
    this.cursor = { pnl: null, spread: null, inventory: null, model: null };
    this.connected = false;
    this.drawnMs = 0;
    this.behind = false;
    this.loading = new AbortController();
    this.dialog = new OrderDialog();
    this.tape = new Tape();
    this.orders = new OrderList((id) => this.dialog.open(id));
    this.charts = this.makeCharts();
    this.ranges();
    for (const id of ["bot", "market", "currency"]) byId(id).addEventListener("change", () => this.choose());
  }

  start() {
    const frame = () => {
      this.draw();
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  /** After a change of theme or zone. */
  redraw() {
    for (const chart of Object.values(this.charts)) chart.rebuild();
    this.tape.clear();
    this.orders.clear();
    for (const stream of ["trades", "orders"]) this.state.fresh.add(stream);
    this.drawnMs = 0;
  }

  /** Ask for the selected charts' history, all or some. */
  async load(streams = CHARTED) {
    const at = this.selection;
    if (!at.bot) return;
    const now = Date.now() / 1000;
    const { signal } = this.loading;
    await Promise.all(streams.map((stream) => this.loadOne(stream, { ...at }, now, signal)));
  }

  async loadOne(stream, at, now, signal) {
    try {
      const points = await fetchHistory(stream, at, now - this.rangeS, now, signal);
      this.state.seriesOf(stream, at).rebase(points);
      this.note("history", "");
    } catch (failure) {
      if (!signal.aborted) this.note("history", `History is not available: ${failure.message}. Live values go on.`);
    }
    this.drawnMs = 0;
  }

  note(what, text) {
    const box = byId("foot-ignored");
    if (text) setText(box, text);
    else if (what === "history" && box.textContent.startsWith("History")) setText(box, "");
    show(box, box.textContent !== "");
  }

  draw() {
    const fresh = this.state.fresh;
    this.watchStale();
    const waitMs = this.behind || fresh.size ? CHART_EVERY_MS : 1_000;
    if (fresh.size === 0 && Date.now() - this.drawnMs < waitMs) return;
    this.behind = fresh.size > 0;
    this.select();
    if (this.selection.bot) this.drawFigures(fresh);
    if (fresh.size) this.readouts();
    fresh.clear();
    if (Date.now() - this.drawnMs >= CHART_EVERY_MS) {
      this.behind = false;
      this.drawCharts();
    }
  }

  drawFigures(fresh) {
    const at = this.selection;
    const item = (stream) => this.state.item(stream, at);
    if (fresh.has("pnl")) this.drawTitle(item("pnl"));
    if (fresh.has("spread")) panels.drawSpread(item("spread"));
    if (fresh.has("market")) panels.drawMarket(item("market"), item("instruments"));
    if (fresh.has("inventory") || fresh.has("instruments")) panels.drawInventory(item("inventory"), item("instruments"));
    if (fresh.has("activity")) panels.drawActivity(item("activity"));
    if (fresh.has("model")) panels.drawModel(item("model"));
    if (fresh.has("latency")) panels.drawLatency(item("latency"));
    if (fresh.has("completeness")) drawCompleteness(item("completeness"));
    if (fresh.has("trades")) this.drawTape();
    if (fresh.has("orders")) this.orders.draw([...this.state.orders.values()].filter((order) => this.shows(order)), item("instruments"));
  }

  drawTitle(item) {
    panels.drawPnl(item);
    document.title = item ? `${format.money(item.net)} ${item.currency} · ${item.bot}` : "FlashMM";
  }

  drawTape() {
    const trades = this.state.trades.filter((trade) => this.shows(trade));
    this.tape.draw(trades, this.state.item("instruments", this.selection));
    const last = trades.at(-1);
    setText(byId("tape-readout"), last ? `fees in ${last.fee_currency}` : "");
  }

  shows(item) {
    const at = this.selection;
    return item.bot === at.bot && (item.account ?? "") === at.account && item.symbol === at.symbol && (item.venue ?? "") === at.venue;
  }

  /** Make the selection one that exists, and the pickers show it. */
  select() {
    const owners = [...this.state.owners.values()];
    show(byId("empty"), this.connected && owners.length === 0);
    show(byId("board"), owners.length > 0);
    show(byId("pickers"), owners.length > 0);
    if (owners.length === 0) return;
    const at = this.selection;
    const owner = this.state.owners.get(ownerOf(at)) ?? owners[0];
    const markets = [...owner.markets.values()];
    const market = markets.find(({ venue, symbol }) => venue === at.venue && symbol === at.symbol) ?? markets[0] ?? { venue: "", symbol: "" };
    const currencies = [...owner.currencies];
    const currency = currencies.includes(at.currency) ? at.currency : (currencies[0] ?? "");
    options(byId("bot"), owners.map((each) => [ownerOf(each), each.account ? `${each.bot} · ${each.account}` : each.bot]), ownerOf(owner));
    options(byId("market"), markets.map((each) => [`${each.venue}\n${each.symbol}`, `${each.symbol} · ${each.venue}`]), `${market.venue}\n${market.symbol}`);
    options(byId("currency"), currencies.map((each) => [each, each]), currency);
    show(byId("currency-picker"), currencies.length > 1);
    show(byId("demo"), owner.demo === true);
    this.move({ bot: owner.bot, account: owner.account, ...market, currency });
  }

  /** A picker was used. */
  choose() {
    const [bot, account] = byId("bot").value.split("\n");
    const [venue, symbol] = byId("market").value.split("\n");
    this.selection = { bot, account, venue, symbol, currency: byId("currency").value };
    this.changed();
    this.select();
    toAddress(this.selection);
  }

  move(next) {
    const before = this.selection;
    if (Object.keys(next).every((name) => next[name] === before[name])) return;
    this.selection = next;
    this.changed();
  }

  changed() {
    this.loading.abort();
    this.loading = new AbortController();
    this.tape.clear();
    this.orders.clear();
    for (const stream of ["pnl", "spread", "market", "inventory", "activity", "model", "latency", "completeness", "trades", "orders"]) {
      this.state.fresh.add(stream);
    }
    this.drawnMs = 0;
    this.load();
  }

  watchStale() {
    const heard = this.state.heardMs.get(ownerOf(this.selection));
    const silentMs = heard ? Date.now() - heard : 0;
    const stale = this.connected && silentMs > STALE_MS;
    byId("board").toggleAttribute("data-stale", stale || !this.connected);
    show(byId("stale"), stale);
    if (stale) setText(byId("stale"), `No data from ${this.selection.bot} for ${age(silentMs)}. The figures below are its last.`);
  }

  ranges() {
    const buttons = RANGES.map(([name, seconds]) =>
      el("button", { type: "button", "aria-pressed": String(seconds === this.rangeS), "data-seconds": seconds, onclick: () => this.setRange(seconds) }, name),
    );
    byId("ranges").append(...buttons);
  }

  setRange(seconds) {
    this.rangeS = seconds;
    for (const button of byId("ranges").children) button.setAttribute("aria-pressed", String(Number(button.dataset.seconds) === seconds));
    this.drawnMs = 0;
    this.load();
  }

  makeCharts() {
    const follow = (name) => (index) => {
      this.cursor[name] = index;
      this.readouts();
    };
    const none = "No data in this time range yet.";
    return {
      pnl: new TimeChart(byId("pnl-chart"), { lines: [{ colour: "--own", fill: true, width: 1.8 }], baseline: 0, empty: none, onCursor: follow("pnl"), sync: "board" }),
      spread: new TimeChart(byId("spread-chart"), {
        lines: [{ colour: "--own", width: 1.6 }, { colour: "--market", width: 1.4 }],
        band: [2, 1],
        empty: "No spread samples yet: call bot.market(…).book(…) and .quoting(…).",
        onCursor: follow("spread"),
        sync: "board",
      }),
      tick: new TimeChart(byId("tick-chart"), { lines: [{ colour: "--market", fill: true, width: 1 }], range: [0, 1], ticks: percentTicks, space: 22, bare: true, sync: "board" }),
      inventory: new TimeChart(byId("inventory-chart"), { lines: [{ colour: "--own", fill: true, step: true }], baseline: 0, empty: none, onCursor: follow("inventory"), sync: "board" }),
      model: new TimeChart(byId("model-chart"), {
        lines: [{ colour: "--own" }, { colour: "--market", width: 1.2 }],
        baseline: 0.5,
        spanGaps: true,
        ticks: (_, splits) => splits.map((value) => (100 * value).toFixed(1)),
        empty: "No predictions judged yet: emit flashmm.prediction and flashmm.outcome.",
        onCursor: follow("model"),
        sync: "board",
      }),
    };
  }

  drawCharts() {
    this.drawnMs = Date.now();
    const at = this.selection;
    if (!at.bot) return;
    const window = this.window(this.drawnMs / 1000);
    for (const name of CHARTED) {
      const { times, values } = this.state.seriesOf(name, at);
      const columns = name === "spread" ? values.slice(0, 2) : values;
      this.charts[name].draw([times, ...columns], window, this.words(name));
      if (name === "spread") this.charts.tick.draw([times, values[2]], window, "Share of each second in which the spread was one tick");
    }
    this.readouts();
  }

  /** The time range, or as much of it as there is anything to show for. */
  window(now) {
    const begins = CHARTED.map((name) => this.state.seriesOf(name, this.selection).times[0] ?? now);
    return [Math.max(now - this.rangeS, Math.min(now - WINDOW_MIN_S, ...begins)), now];
  }

  words(name) {
    const minutes = Math.round(this.rangeS / 60);
    return `${byId(`${name}-title`).textContent}, last ${minutes} minutes. ${byId(`${name}-readout`).textContent}`;
  }

  readouts() {
    const part = (text) => el("b", {}, text);
    const key = (name) => el("span", { className: `key ${name}` });
    this.readout("pnl", ([net]) => [part(format.money(net)), ` ${this.selection.currency}`]);
    this.readout("spread", ([own, market, tick]) => [
      key("own"), "ours ", part(format.bps(own)), key("market"), "market ", part(format.bps(market)), " bps · tick-bound ", part(format.percent(tick)), " %",
    ]);
    this.readout("inventory", ([position]) => [part(format.signedQuantity(position))]);
    this.readout("model", ([accuracy, hits]) => [key("own"), "reported ", part(format.percent(accuracy)), key("market"), "hit rate ", part(format.percent(hits)), " %"]);
  }

  readout(name, write) {
    const series = this.state.seriesOf(name, this.selection);
    const index = this.cursor[name] ?? series.length - 1;
    const box = byId(`${name}-readout`);
    if (index < 0 || index >= series.length) return box.replaceChildren();
    const when = this.cursor[name] === null ? [] : [` · ${format.clock(series.times[index] * 1000)}`];
    return box.replaceChildren(...write(series.texts.map((column) => column[index])), ...when);
  }
}

function drawCompleteness(item) {
  const badge = byId("completeness");
  show(badge, Boolean(item));
  if (!item) return;
  const whole = item.missing === 0;
  badge.dataset.state = whole ? "whole" : "part";
  setText(byId("completeness-text"), whole ? "Data complete" : `Data ${format.percent(item.ratio, 2)} % complete`);
  badge.title = `${item.received} of ${item.expected} events received`;
}

function options(select, pairs, chosen) {
  const same = pairs.length === select.options.length && pairs.every(([value], index) => select.options[index].value === value);
  if (!same) select.replaceChildren(...pairs.map(([value, text]) => el("option", { value }, text)));
  if (select.value !== chosen) select.value = chosen;
}

function age(ms) {
  const seconds = Math.round(ms / 1000);
  return seconds < 120 ? `${seconds} s` : seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}

const ADDRESS = ["bot", "account", "venue", "symbol", "currency"];

function fromAddress() {
  const asked = new URLSearchParams(location.search);
  return Object.fromEntries(ADDRESS.map((name) => [name, asked.get(name) ?? ""]));
}

function toAddress(selection) {
  const chosen = Object.entries(selection).filter(([, value]) => value);
  history.replaceState(null, "", `?${new URLSearchParams(chosen)}`);
}
