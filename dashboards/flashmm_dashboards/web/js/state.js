/** All that the page knows, from the stream's items. No document, no network. */

import { Series } from "./series.js";

const OWNERS_MAX = 200;
const LATEST_MAX = 10_000;
const SERIES_MAX = 400;
const ROWS_MAX = 4_000;
const SILENT_MS = 5_000;
const GAPS = 5;
const TOGETHER_MS = 100;

const SERIES = {
  pnl: { columns: ["net"], texts: (item) => [item.net] },
  spread: { columns: ["own_bps", "market_bps", "tick_bound"], texts: (item) => [item.own_bps, item.market_always_bps ?? item.market_bps, item.tick_bound] },
  inventory: { columns: ["position"], texts: (item) => [item.position] },
  model: { columns: ["accuracy", "hit_rate"], texts: (item) => [item.accuracy, item.hit_rate] },
};

/** Their items name the run: no line leads from one to the next. */
const BROKEN_BY_RUNS = new Set(["pnl", "spread"]);

const MARKET_KEY = ["bot", "account", "venue", "symbol"];
/** An order's id says which one it is within a run alone, and two fills of a run may share theirs. */
const ORDER_KEY = [...MARKET_KEY, "run", "order_id"];
const KEYS = {
  bots: ["bot", "account"],
  completeness: ["bot", "account"],
  pnl: ["bot", "account", "currency"],
  model: ["bot", "account", "symbol", "model"],
  orders: ORDER_KEY,
  trades: [...ORDER_KEY, "fill_id", "time_ns"],
};

export const STREAMS = [
  "bots", "instruments", "pnl", "spread", "market", "latency", "inventory", "activity", "model", "completeness", "experiments", "trades", "orders",
];

/** The key of an item's subject within its stream. */
export function keyOf(stream, item) {
  return (KEYS[stream] ?? MARKET_KEY).map((name) => String(item[name] ?? "")).join("\n");
}

export const ownerOf = (item) => `${item.bot ?? ""}\n${item.account ?? ""}`;

/** Put it there; the first one gives way where there are more than that. */
function keep(map, key, value, most) {
  map.set(key, value);
  if (map.size > most) map.delete(map.keys().next().value);
}

/** models: by symbol, the names of those that predict it. */
function noteModel(models, symbol, model) {
  const names = models.get(symbol) ?? new Set();
  if (models.size < OWNERS_MAX && names.size < OWNERS_MAX) models.set(symbol, names.add(model));
}

function noteRun(known, item, metMs) {
  const run = String(item.run ?? "");
  if (known.run !== run) Object.assign(known, { run, metMs });
  Object.assign(known, { demo: item.demo === true, environment: String(item.environment ?? "") });
}

export class State {
  constructor() {
    /** Of the charts. */
    this.rangeS = 900;
    this.owners = new Map();
    /** Owners that gave way to others. */
    this.forgotten = 0;
    this.latest = new Map();
    this.series = new Map();
    this.trades = new Map();
    this.orders = new Map();
    this.heard = new Map();
    this.fresh = new Set();
  }

  /** Take in items. fresh collects the streams that changed, for whoever draws. */
  apply(stream, items, snapshot, nowMs) {
    for (const item of items) {
      if (typeof item.bot !== "string") continue;
      const heardMs = snapshot ? Number(item.time_ms) || 0 : nowMs;
      this.noteOwner(stream, item, heardMs);
      this.noteHeard(ownerOf(item), heardMs, !snapshot);
      if (stream === "trades") this.addTrade(item, snapshot);
      else if (stream === "orders") this.addOrder(item, snapshot);
      else this.addState(stream, item);
    }
    this.fresh.add(stream);
  }

  /** The stream missed something: what is drawn must come from history again. */
  restart(stream) {
    for (const [name, series] of this.series) if (name.startsWith(`${stream}\n`)) series.restart();
  }

  item(stream, selection) {
    return this.latest.get(`${stream}\n${keyOf(stream, selection)}`);
  }

  seriesOf(stream, selection) {
    const name = `${stream}\n${keyOf(stream, selection)}`;
    if (!this.series.has(name)) {
      if (this.series.size >= SERIES_MAX) this.series.delete(this.series.keys().next().value);
      this.series.set(name, new Series(SERIES[stream].columns));
    }
    return this.series.get(name);
  }

  noteOwner(stream, item, heardMs) {
    const owner = ownerOf(item);
    if (!this.owners.has(owner)) {
      this.owners.set(owner, { bot: item.bot, account: String(item.account ?? ""), run: "", metMs: heardMs, markets: new Map(), models: new Map(), currencies: new Set() });
    }
    const known = this.owners.get(owner);
    if (stream === "bots") noteRun(known, item, heardMs);
    if (stream === "pnl" && known.currencies.size < OWNERS_MAX) known.currencies.add(String(item.currency ?? ""));
    if (stream === "model") noteModel(known.models, String(item.symbol ?? ""), String(item.model ?? ""));
    if (item.symbol && item.venue && known.markets.size < OWNERS_MAX) {
      known.markets.set(`${item.venue}\n${item.symbol}`, { venue: String(item.venue), symbol: String(item.symbol) });
    }
  }

  /** live: not from a snapshot, whose items are of all times. */
  noteHeard(owner, nowMs, live) {
    const before = this.heard.get(owner) ?? { atMs: nowMs, liveMs: 0, gapsMs: [] };
    const gapMs = nowMs - before.atMs;
    const gapsMs = live && gapMs > TOGETHER_MS ? [...before.gapsMs, gapMs].slice(-GAPS) : before.gapsMs;
    this.heard.set(owner, { atMs: Math.max(before.atMs, nowMs), liveMs: live ? nowMs : before.liveMs, gapsMs });
    if (this.heard.size > OWNERS_MAX) this.forget();
  }

  /** The owner that has been silent longest. */
  forget() {
    const [silent] = [...this.heard].reduce((oldest, each) => (each[1].atMs < oldest[1].atMs ? each : oldest));
    this.heard.delete(silent);
    this.owners.delete(silent);
    this.forgotten += 1;
  }

  /** Of all owners but this one, the one heard last; undefined without another. */
  latestOther(owner) {
    const others = [...this.heard].filter(([each]) => each !== owner);
    return others.reduce((latest, each) => (latest && latest[1].atMs >= each[1].atMs ? latest : each), undefined)?.[0];
  }

  /** Whether `next` has taken a silent owner's place: begun after its last word here. One that ran beside it has not. */
  follows(next, owner, nowMs) {
    if (!this.heard.has(owner)) return true;
    const [its, theirs] = [this.heard.get(next), this.heard.get(owner)];
    return this.silentMs(owner, nowMs) > 0 && its.atMs > theirs.atMs && this.owners.get(next).metMs > theirs.liveMs;
  }

  /** How long an owner has sent nothing; 0 as long as that is nothing unusual for it. */
  silentMs(owner, nowMs) {
    const heard = this.heard.get(owner);
    if (!heard) return 0;
    const usualMs = [...heard.gapsMs].sort((a, b) => a - b)[heard.gapsMs.length >> 1] ?? 0;
    const silentMs = nowMs - heard.atMs;
    return silentMs > Math.max(SILENT_MS, 3 * usualMs) ? silentMs : 0;
  }

  addState(stream, item) {
    const name = `${stream}\n${keyOf(stream, item)}`;
    const before = this.latest.get(name);
    if (BROKEN_BY_RUNS.has(stream) && before && before.run !== item.run) this.seriesOf(stream, item).breakOff();
    const merged = stream === "model" ? { ...before, ...item } : item;
    keep(this.latest, name, merged, LATEST_MAX);
    if (!(stream in SERIES)) return;
    const series = this.seriesOf(stream, item);
    series.push(item.time_ms / 1000, SERIES[stream].texts(merged));
    if (series.full) series.thin(this.rangeS);
  }

  /** A snapshot may hold what is here already. */
  addTrade(item, snapshot) {
    const key = keyOf("trades", item);
    if (!this.trades.has(key)) keep(this.trades, key, { ...item, snapshot }, ROWS_MAX);
  }

  addOrder(item, snapshot) {
    const key = keyOf("orders", item);
    const before = this.orders.get(key) ?? { snapshot, time_ms: item.time_ms };
    const { type, time_ms, ...rest } = item;
    const same = type === "placement" || item.state === "replace_rejected";
    const state = same ? (before.state ?? item.outcome) : item.state;
    keep(this.orders, key, { ...before, ...rest, state }, ROWS_MAX);
  }
}
