/** History by PromQL: the same expressions that any other reader would use. */

import { shift, sign, sum } from "./decimal.js";
import { beganMs } from "./format.js";
import { stepOf } from "./series.js";

/** Steps longer than this draw the mean of each minute or step: a sample of one second would stand for too many. */
const EXACT_S = 6;
const MEAN_S = 60;
/** How much later than usual a bot may tell its values: a lookback holds them for much longer. */
const LATE_S = 5;
/** As long as nobody knows how often it tells them. */
const UNUSUAL_S = 90;
/** Names each run of a bot: P&L begins anew with each, which is no loss, and between two nobody saw the market. */
const RUNS = "target_info";
const PART = "part";
const TOLD = "told_";

function selector(name, labels) {
  const matchers = Object.entries(labels).map(([label, value]) => `${label}="${escape(value)}"`);
  return `${name}{${matchers.join(",")}}`;
}

function escape(value) {
  return String(value).replace(/[\\"]/g, "\\$&").replace(/\n/g, "\\n");
}

const owner = (at) => ({ flashmm_bot: at.bot, flashmm_account: at.account });
const market = (at) => ({ ...owner(at), flashmm_venue: at.venue, flashmm_symbol: at.symbol });
const part = (expression, name) => `label_replace(${expression}, "${PART}", "${name}", "", "")`;

/** What each chart asks for, and how the answer's parts make its columns. means: drawn as such over long steps. */
const QUERIES = {
  pnl: {
    names: ["flashmm_pnl_realized", "flashmm_pnl_unrealized", "flashmm_pnl_fees", "flashmm_pnl_funding"],
    labels: (at) => ({ ...owner(at), flashmm_currency: at.currency }),
    texts: (parts) => [sum([...parts.values()])],
  },
  spread: {
    names: ["flashmm_quote_spread_ratio", "flashmm_market_spread_ratio", "flashmm_quote_uptime_ratio"],
    means: true,
    labels: market,
    texts: (parts) => [quoted(parts), bps(parts.get("flashmm_market_spread_ratio")), null],
  },
  inventory: {
    names: ["flashmm_inventory_position"],
    labels: market,
    texts: (parts) => [...parts.values()],
  },
  model: {
    names: ["flashmm_model_accuracy_ratio"],
    labels: (at) => ({ ...owner(at), flashmm_symbol: at.symbol, flashmm_model: at.model }),
    texts: (parts) => [[...parts.values()][0], null],
  },
};

/** All parts, when they were told, and the runs, as one expression. */
function promql({ names, means, labels }, at, step) {
  const window = means && step > EXACT_S ? Math.max(step, MEAN_S) : 0;
  const selected = (name) => selector(name, labels(at));
  const parts = names.map((name) => part(window ? `avg_over_time(${selected(name)}[${window}s])` : selected(name), name));
  const told = names.map((name) => part(`timestamp(${selected(name)})`, TOLD + name));
  return [...parts, ...told, selector(RUNS, owner(at))].join(" or ");
}

/** A lookback holds the last spread while nothing is quoted; the uptime says when that is. */
function quoted(parts) {
  const uptime = parts.get("flashmm_quote_uptime_ratio");
  return uptime !== undefined && sign(uptime) === 0 ? null : bps(parts.get("flashmm_quote_spread_ratio"));
}

function bps(text) {
  return text === undefined ? null : shift(text, 4);
}

/**
 * Points [time, texts] of a chart's series, in order. Throws an Error that says what the server said.
 * Where there is less than half of what was asked for, that is asked for again in finer steps.
 * The last step asked for ends after toS: it knows a run that began since the one before.
 */
export async function fetchHistory(stream, at, fromS, toS, signal) {
  const step = stepOf(toS - fromS);
  const start = Math.ceil(fromS / step) * step;
  const end = Math.ceil(toS / step) * step;
  const query = new URLSearchParams({ query: promql(QUERIES[stream], at, step), start, end, step });
  const answer = await fetch(`/api/v1/query_range?${query}`, { signal });
  const body = await answer.json();
  if (body.status !== "success") throw new Error(String(body.error ?? `HTTP ${answer.status}`));
  const { rows, began } = read(body.data.result);
  const first = rows[0]?.time ?? fromS;
  if (step > 1 && toS - first < (toS - fromS) / 2) return fetchHistory(stream, at, first - step, toS, signal);
  const points = rows.filter(({ time }) => time <= toS).map(({ time, told, parts }) => ({ time, told, texts: QUERIES[stream].texts(parts) }));
  return parted(points, began, step, toS).map(({ time, texts }) => [time, texts]);
}

/** Rows in order of time, each of the youngest run that was heard then, and when runs began, seconds. */
function read(result) {
  const instances = new Map();
  const began = [];
  for (const { metric, values } of result) {
    if (metric[PART] === undefined) began.push(beganMs(metric.flashmm_run) / 1000);
    else note(instances, metric, values);
  }
  const rows = new Map();
  const first = (instance) => Math.min(...instance.keys());
  const oldestFirst = [...instances.values()].sort((a, b) => first(a) - first(b));
  for (const instance of oldestFirst) for (const row of heard([...instance.values()])) rows.set(row.time, row);
  return { rows: [...rows.values()].sort((a, b) => a.time - b.time), began: began.sort((a, b) => a - b) };
}

/** Put a series into its instance's rows: a part of them, or when one was told. */
function note(instances, { instance, [PART]: name }, values) {
  if (!instances.has(instance)) instances.set(instance, new Map());
  const rows = instances.get(instance);
  for (const [time, text] of values) {
    if (!rows.has(time)) rows.set(time, { time, told: 0, parts: new Map() });
    const row = rows.get(time);
    const plain = decimal(text);
    if (name.startsWith(TOLD)) row.told = Math.max(row.told, Number(text));
    else if (plain !== null) row.parts.set(name, plain);
  }
}

/** Those that were still the last word when the next was due. */
function heard(rows) {
  const told = [...new Set(rows.map((row) => row.told))].sort((a, b) => a - b);
  const apart = told.slice(1).map((each, place) => each - told[place]).sort((a, b) => a - b);
  const patience = apart.length ? apart[apart.length >> 1] + LATE_S : UNUSUAL_S;
  return rows.filter((row) => row.parts.size && row.time - row.told <= patience);
}

/** Points with one that knows nothing wherever a run began, and after the last that was heard before a pause. */
function parted(points, began, step, toS) {
  const whole = [];
  const rest = (untilS) => {
    const last = whole.at(-1);
    const start = began.findLast((each) => last?.time < each && each <= untilS);
    if (start || untilS - last?.time > 1.5 * step) whole.push({ time: start ?? last.time + 0.001, texts: last.texts.map(() => null) });
  };
  for (const point of points) {
    if (began.some((each) => point.told < each && each <= point.time)) continue;
    rest(point.time);
    whole.push(point);
  }
  rest(Math.max(toS, ...began));
  return whole;
}

/** Prometheus writes very large and very small numbers with an exponent. */
function decimal(text) {
  const found = /^([+-]?\d+(?:\.\d+)?)(?:e([+-]?\d+))?$/i.exec(text);
  if (!found) return null;
  return found[2] ? shift(found[1], Number(found[2])) : found[1];
}
