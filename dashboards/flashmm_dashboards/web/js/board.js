/** The board: what is selected, what it shows of it, and when it is drawn again. */

import { TimeChart } from "./chart.js";
import { byId, el, setText, show } from "./dom.js";
import * as format from "./format.js";
import { CHARTED, Histories } from "./histories.js";
import { numbers } from "./numbers.js";
import { OrderDialog } from "./order.js";
import * as panels from "./panels.js";
import { described, drawQuoting } from "./quoting.js";
import { ownerOf, STREAMS } from "./state.js";
import { OrderList, Tape, TAPE_ROWS } from "./tables.js";

const RANGES = [["5 m", 300], ["15 m", 900], ["1 h", 3_600], ["6 h", 21_600], ["24 h", 86_400]];
/** Between two looks whether there is anything to draw: a frame costs the browser something even when it is the same. */
const REST_MS = 60;
const MOVED_EVERY_MS = 250;
const CHART_EVERY_MS = 1_000;
const UNSEEN_EVERY_MS = 2_000;
const WINDOW_MIN_S = 60;

const percentTicks = (_, splits) => splits.map((value) => `${(100 * value).toFixed(0)}`);

export class Board {
  constructor(state) {
    this.state = state;
    this.selection = fromAddress();
    /** By the address or by hand: then the page never turns to another bot by itself. */
    this.chosen = this.selection.bot !== "";
    /** Whom the address names, until that bot is heard. */
    this.missing = this.chosen ? this.selection : null;
    this.ageMs = 0;
    this.cursor = { pnl: null, spread: null, inventory: null, model: null };
    this.connected = false;
    this.lookedMs = 0;
    this.connectedMs = 0;
    this.histories = new Histories(state, () => this.selection, () => this.connected, (...said) => this.saidOfHistory(...said));
    this.dialog = new OrderDialog((item) => this.state.item("instruments", { ...this.selection, ...item }));
    const open = (id) => this.dialog.open(id);
    this.tape = new Tape(open);
    this.orders = new OrderList(open);
    this.charts = this.makeCharts();
    this.pieces = this.makePieces();
    this.tables();
    this.ranges();
    for (const id of ["bot", "market", "model", "currency"]) byId(id).addEventListener("change", () => this.choose());
    byId("stale-other").addEventListener("click", () => this.choose(byId("stale-other").value));
  }

  start() {
    this.dialog.openAddressed();
    const frame = () => {
      if (this.draw()) requestAnimationFrame(frame);
      else setTimeout(() => requestAnimationFrame(frame), REST_MS);
    };
    requestAnimationFrame(frame);
  }

  /** After a change of theme or zone. */
  redraw() {
    for (const chart of Object.values(this.charts)) chart.rebuild();
    this.tape.clear();
    this.orders.clear();
    for (const stream of ["trades", "orders"]) this.state.fresh.add(stream);
    this.again();
  }

  /** A chart's history came, or why it did not. */
  saidOfHistory(chart, failure) {
    const box = byId(`${chart}-history`);
    show(box, failure !== "");
    setText(box, failure && `Earlier values could not be loaded (${failure}). The page keeps trying; live values go on.`);
    this.again();
  }

  /** Whether a piece was drawn, so that another may be due. */
  draw() {
    const now = Date.now();
    const shown = !byId("board").hidden;
    if (this.state.fresh.size || now - this.lookedMs >= MOVED_EVERY_MS) this.look(now);
    return shown && this.selection.bot !== "" && this.drawPiece(now);
  }

  look(now) {
    const { fresh } = this.state;
    this.lookedMs = now;
    this.follow(now);
    this.select();
    this.watchStale(now);
    if (this.selection.bot) this.drawFigures(fresh);
    for (const piece of this.pieces) piece.moved ||= piece.streams.some((stream) => fresh.has(stream));
    fresh.clear();
  }

  /** What takes long is drawn one piece a frame, so that figures and fingers never wait for all of it. */
  drawPiece(now) {
    const due = this.pieces.filter((piece) => now - piece.drawnMs >= everyMs(piece));
    if (!due.length) return false;
    const piece = due.reduce((oldest, each) => (each.drawnMs < oldest.drawnMs ? each : oldest));
    piece.drawnMs = now;
    piece.moved = false;
    piece.draw(now);
    return true;
  }

  /** All of them, as soon as it is their turn. */
  again() {
    for (const piece of this.pieces) Object.assign(piece, { drawnMs: 0, moved: true });
  }

  /** streams: what moves it. chart: set where it also moves with the time. */
  makePieces() {
    const charts = CHARTED.map((name) => ({ streams: name === "spread" ? ["spread", "experiments"] : [name], chart: this.charts[name], draw: (now) => this.drawChart(name, now) }));
    const item = (stream) => this.state.item(stream, this.selection);
    const orders = () => [...this.state.orders.values()].filter((order) => this.shows(order));
    const others = [
      { streams: ["trades", "instruments"], draw: () => this.drawTape() },
      { streams: ["latency"], draw: () => panels.drawLatency(item("latency")) },
      { streams: ["orders", "instruments"], draw: () => this.orders.draw(orders(), item("instruments")) },
    ];
    return [...charts, ...others].map((piece) => ({ ...piece, drawnMs: 0, moved: true }));
  }

  drawFigures(fresh) {
    const at = this.selection;
    const item = (stream) => this.state.item(stream, at);
    if (fresh.has("instruments")) this.dialog.draw();
    if (fresh.has("pnl")) this.drawTitle(item("pnl"));
    if (fresh.has("bots")) panels.drawBot(item("bots"));
    if (fresh.has("spread")) panels.drawSpread(item("spread"));
    if (fresh.has("market") || fresh.has("instruments")) panels.drawMarket(item("market"), item("instruments"));
    if (fresh.has("inventory") || fresh.has("instruments")) panels.drawInventory(item("inventory"), item("instruments"));
    if (fresh.has("activity")) panels.drawActivity(item("activity"));
    if (fresh.has("model")) panels.drawModel(item("model"));
    if (fresh.has("completeness")) drawCompleteness(item("completeness"));
  }

  drawTitle(item) {
    panels.drawPnl(item);
    document.title = item ? `${format.money(item.net)} ${item.currency} · ${item.bot}` : "FlashMM";
  }

  drawTape() {
    const trades = [...this.state.trades.values()].filter((trade) => this.shows(trade));
    this.tape.draw(trades, this.state.item("instruments", this.selection));
    const last = trades.at(-1);
    const kept = trades.length > 1 ? `last ${format.count(Math.min(trades.length, TAPE_ROWS))}; ` : "";
    setText(byId("tape-readout"), last ? `${kept}newest first` : "");
  }

  shows(item) {
    const at = this.selection;
    return item.bot === at.bot && (item.account ?? "") === at.account && item.symbol === at.symbol && (item.venue ?? "") === at.venue;
  }

  /** To the bot heard last, as long as nobody has chosen and the one shown is silent. */
  follow(now) {
    if (this.chosen || !this.connected) return;
    const next = this.state.latestOther(ownerOf(this.selection));
    if (next === undefined || !this.state.follows(next, ownerOf(this.selection), now)) return;
    const { bot, account } = this.state.owners.get(next);
    this.move({ ...this.selection, bot, account });
  }

  /** Make the selection one that exists, and the pickers show it. */
  select() {
    const owners = [...this.state.owners.values()];
    show(byId("empty"), this.connected && owners.length === 0);
    show(byId("board"), owners.length > 0);
    show(byId("pickers"), owners.length > 0);
    if (owners.length === 0) return;
    const at = this.missing ?? this.selection;
    const owner = this.owner(at, owners);
    const markets = [...owner.markets.values()];
    const market = markets.find(({ venue, symbol }) => venue === at.venue && symbol === at.symbol) ?? markets[0] ?? { venue: "", symbol: "" };
    const currencies = [...owner.currencies];
    const currency = currencies.includes(at.currency) ? at.currency : (currencies[0] ?? "");
    const models = [...(owner.models.get(market.symbol) ?? [])];
    const model = models.includes(at.model) ? at.model : (models[0] ?? "");
    options(byId("bot"), owners.map((each) => [ownerOf(each), named(each)]), ownerOf(owner));
    options(byId("market"), markets.map((each) => [`${each.venue}\n${each.symbol}`, `${each.symbol} · ${each.venue}`]), `${market.venue}\n${market.symbol}`);
    options(byId("currency"), currencies.map((each) => [each, each]), currency);
    options(byId("model"), models.map((each) => [each, each]), model);
    show(byId("currency-picker"), currencies.length > 1);
    show(byId("model-picker"), models.length > 1);
    show(byId("more-bots"), this.state.forgotten > 0);
    setText(byId("more-bots"), `There are more bots than can be listed: these are the ${owners.length} heard from last.`);
    show(byId("demo"), owner.demo === true);
    this.move({ bot: owner.bot, account: owner.account, ...market, model, currency });
  }

  /** The one selected; for one that the address names and nobody has heard, another until it is heard. */
  owner(asked, owners) {
    const found = this.state.owners.get(ownerOf(asked)) ?? (asked.account ? undefined : owners.find(({ bot }) => bot === asked.bot));
    if (found) this.missing = null;
    show(byId("missing"), this.missing !== null);
    const shown = found ?? this.state.owners.get(ownerOf(this.selection)) ?? owners[0];
    if (this.missing) setText(byId("missing"), `No bot ${named(asked)} has been heard here lately. Until it is, this is ${named(shown)}.`);
    return shown;
  }

  /** A picker was used, or the way to another bot. */
  choose(owner = byId("bot").value) {
    const [bot, account] = owner.split("\n");
    this.chosen = true;
    this.missing = null;
    const [venue, symbol] = byId("market").value.split("\n");
    this.move({ bot, account, venue, symbol, model: byId("model").value, currency: byId("currency").value });
    this.select();
    toAddress(this.selection);
  }

  move(next) {
    const before = this.selection;
    if (Object.keys(next).every((name) => next[name] === before[name])) return;
    this.selection = next;
    this.changed();
    this.histories.moved(before, next);
  }

  changed() {
    this.tape.clear();
    this.orders.clear();
    for (const stream of STREAMS) this.state.fresh.add(stream);
    this.again();
  }

  /** Say plainly that the figures are old: whose fault it is, and since when. */
  watchStale(now) {
    if (this.connected) this.connectedMs = now;
    const silentMs = this.connected ? this.state.silentMs(ownerOf(this.selection), now) : 0;
    const cutMs = this.connected || !this.connectedMs ? 0 : now - this.connectedMs;
    const ageMs = cutMs || silentMs;
    this.ageMs = ageMs;
    byId("board").toggleAttribute("data-stale", ageMs > 0);
    byId("quoting").toggleAttribute("data-stale", ageMs > 0);
    show(byId("stale"), ageMs > 0);
    if (ageMs) setText(byId("stale-text"), staleText(cutMs, this.selection.bot, now - ageMs, ageMs));
    this.offer(silentMs > 0 ? this.state.latestOther(ownerOf(this.selection)) : undefined, now);
  }

  /** A way from a silent bot to another that sends. */
  offer(other, now) {
    const way = byId("stale-other");
    const live = other !== undefined && this.state.silentMs(other, now) === 0;
    show(way, live);
    if (!live) return;
    way.value = other;
    setText(way, `Show ${this.state.owners.get(other).bot}, which is sending`);
  }

  ranges() {
    const buttons = RANGES.map(([name, seconds]) =>
      el("button", { type: "button", "aria-pressed": String(seconds === this.state.rangeS), "data-seconds": seconds, onclick: () => this.setRange(seconds) }, name),
    );
    byId("ranges").append(...buttons);
  }

  setRange(seconds) {
    this.state.rangeS = seconds;
    for (const button of byId("ranges").children) button.setAttribute("aria-pressed", String(Number(button.dataset.seconds) === seconds));
    this.again();
    this.histories.want();
  }

  makeCharts() {
    const follow = (name) => (index) => {
      if (this.cursor[name] === index) return;
      this.cursor[name] = index;
      this.readout(name);
    };
    const none = "No data in this time range yet.";
    return {
      pnl: new TimeChart(byId("pnl-chart"), { lines: [{ colour: "--own", fill: true, width: 1.8 }], baseline: 0, empty: none, onCursor: follow("pnl"), sync: "board" }),
      spread: new TimeChart(byId("spread-chart"), {
        lines: [{ colour: "--own", width: 1.6 }, { colour: "--market", width: 1.4 }],
        band: [2, 1],
        shadeMissing: 1,
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

  tables() {
    const percent = (text) => format.percent(text);
    const of = (name) => [() => this.state.seriesOf(name, this.selection), () => this.window(Date.now() / 1000)];
    numbers("pnl", [["Net", format.money]], ...of("pnl"));
    numbers("spread", [["Ours, bps", (text) => format.bps(text)], ["Market, bps", (text) => format.bps(text)], ["One tick wide, %", percent]], ...of("spread"));
    numbers("inventory", [["Position", format.signedQuantity]], ...of("inventory"));
    numbers("model", [["Reported, %", percent], ["Hit rate, %", percent]], ...of("model"));
  }

  drawChart(name, now) {
    const window = this.window(now / 1000);
    const { times, values } = this.state.seriesOf(name, this.selection);
    this.readout(name);
    this.charts[name].draw([times, ...(name === "spread" ? values.slice(0, 2) : values)], window, this.words(name, window));
    if (name !== "spread") return;
    this.drawQuoting();
    this.charts.tick.draw([times, values[2]], window, "Share of each second in which the spread was one tick");
  }

  drawQuoting() {
    const at = this.selection;
    const quotes = this.state.seriesOf("spread", at);
    drawQuoting(described(this.state.item("spread", at), this.state.item("experiments", at), quotes.since(0), Date.now() - this.ageMs), this.ageMs > 0);
  }

  /** The time range, or as much of it as there is anything to show for. */
  window(now) {
    const begins = CHARTED.map((name) => this.state.seriesOf(name, this.selection).times[0] ?? now);
    return [Math.max(now - this.state.rangeS, Math.min(now - WINDOW_MIN_S, ...begins)), now];
  }

  words(name, [from, to]) {
    const [low, high] = this.state.seriesOf(name, this.selection).extent(0, from);
    const between = low === null ? "" : ` Between ${low} and ${high}.`;
    return `${byId(`${name}-title`).textContent}, last ${format.span(to - from)}.${between} Now: ${byId(`${name}-readout`).textContent}`;
  }

  readout(name) {
    const series = this.state.seriesOf(name, this.selection);
    const index = this.cursor[name] ?? series.length - 1;
    const box = byId(`${name}-readout`);
    if (index < 0 || index >= series.length) return box.replaceChildren();
    const when = this.cursor[name] === null ? [] : [` · ${format.clock(series.times[index] * 1000)}`];
    return box.replaceChildren(...WRITTEN[name](series.texts.map((column) => column[index]), this.selection), ...when);
  }
}

const named = ({ bot, account }) => (account ? `${bot} · ${account}` : bot);

function staleText(cutMs, bot, sinceMs, ageMs) {
  const what = cutMs ? "No connection to the server" : `No data from ${bot}`;
  const then = cutMs ? "The page reconnects by itself." : "It may have stopped, or lost its connection.";
  return `${what} since ${format.dayClock(sinceMs)} (${format.span(ageMs / 1000)}). The figures below are from then. ${then}`;
}

const part = (text) => el("b", {}, text);
const key = (name) => el("span", { className: `key ${name}` });

/** A chart's values at one moment, in words. */
const WRITTEN = {
  pnl: ([net], { currency }) => [part(format.money(net)), ` ${currency}`],
  spread: ([own, market, tick]) => [
    key("own"), "ours ", part(own === null ? "not quoting" : format.bps(own)), key("market"), "market ", part(format.bps(market)), " · one tick wide ", part(format.percent(tick)), " %",
  ],
  inventory: ([position]) => [part(format.signedQuantity(position))],
  model: ([accuracy, hits]) => [key("own"), "reported ", part(format.percent(accuracy)), key("market"), "hit rate ", part(format.percent(hits)), " %"],
};

/** How often a piece is drawn: what moved soon, what only grows older slowly, what nobody sees seldom. */
function everyMs({ chart, moved }) {
  if (!chart) return moved ? MOVED_EVERY_MS : Infinity;
  if (!chart.seen) return UNSEEN_EVERY_MS;
  return moved ? MOVED_EVERY_MS : CHART_EVERY_MS;
}

function drawCompleteness(item) {
  const badge = byId("completeness");
  show(badge, Boolean(item));
  if (!item) return;
  const whole = item.missing === 0;
  badge.dataset.state = whole ? "whole" : "part";
  setText(byId("completeness-text"), whole ? "Data complete" : `Data ${format.percent(item.ratio, 2)} % complete`);
  const tails = item.unclosed_runs ? `; runs that ended without closing, so that their last events are unknown: ${item.unclosed_runs}` : "";
  badge.title = `${item.received} of ${item.expected} events received${tails}`;
}

function options(select, pairs, chosen) {
  const same = pairs.length === select.options.length && pairs.every(([value], index) => select.options[index].value === value);
  if (!same) select.replaceChildren(...pairs.map(([value, text]) => el("option", { value }, text)));
  if (select.value !== chosen) select.value = chosen;
}

const ADDRESS = ["bot", "account", "venue", "symbol", "model", "currency"];

function fromAddress() {
  const asked = new URLSearchParams(location.search);
  return Object.fromEntries(ADDRESS.map((name) => [name, asked.get(name) ?? ""]));
}

function toAddress(selection) {
  const chosen = Object.entries(selection).filter(([, value]) => value);
  history.replaceState(null, "", `?${new URLSearchParams(chosen)}`);
}
