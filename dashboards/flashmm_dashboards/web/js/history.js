/** History by PromQL: the same expressions that any other reader would use. */

import { isDecimal, shift, sign, sum } from "./decimal.js";
import { beganMs } from "./format.js";
import { stepOf } from "./series.js";

/** Names each run of a bot: P&L begins anew with each, which is no loss, and between two nobody saw the market. */
const RUNS = "target_info";

function selector(names, labels) {
  const matchers = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`);
  return `{${[`__name__=~"${names}"`, ...matchers].join(",")}}`;
}

function escape(value) {
  return String(value).replace(/[\\"]/g, "\\$&").replace(/\n/g, "\\n");
}

const owner = (at) => ({ flashmm_bot: at.bot, flashmm_account: at.account });
const market = (at) => ({ ...owner(at), flashmm_venue: at.venue, flashmm_symbol: at.symbol });

const withRuns = (names, labels, at) => `${selector(names, labels)} or ${selector(RUNS, owner(at))}`;

/** What each chart asks for, and how the answer's parts make its columns. */
const QUERIES = {
  pnl: {
    promql: (at) => withRuns("flashmm_pnl_(realized|unrealized|fees|funding)", { ...owner(at), flashmm_currency: at.currency }, at),
    texts: (parts) => [sum([...parts.values()])],
  },
  spread: {
    promql: (at) => withRuns("flashmm_(quote_spread|market_spread|quote_uptime)_ratio", market(at), at),
    texts: (parts) => [quoted(parts), bps(parts.get("flashmm_market_spread_ratio")), null],
  },
  inventory: {
    promql: (at) => selector("flashmm_inventory_position", market(at)),
    texts: (parts) => [...parts.values()],
  },
  model: {
    promql: (at) => selector("flashmm_model_accuracy_ratio", { ...owner(at), flashmm_symbol: at.symbol }),
    texts: (parts) => [[...parts.values()][0], null],
  },
};

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
 * Of several runs that overlap (a lookback holds the old one for a while) the newest counts.
 * The last step asked for ends after toS: it knows a run that began since the one before.
 */
export async function fetchHistory(stream, at, fromS, toS, signal) {
  const { promql, texts } = QUERIES[stream];
  const step = stepOf(toS - fromS);
  const start = Math.ceil(fromS / step) * step;
  const end = Math.ceil(toS / step) * step;
  const query = new URLSearchParams({ query: promql(at), start, end, step });
  const answer = await fetch(`/api/v1/query_range?${query}`, { signal });
  const body = await answer.json();
  if (body.status !== "success") throw new Error(String(body.error ?? `HTTP ${answer.status}`));
  const [runs, series] = [[], []];
  for (const each of body.data.result) (each.metric.__name__ === RUNS ? runs : series).push(each);
  const began = runs.map(({ metric }) => beganMs(metric.flashmm_run) / 1000);
  const points = columns(series).filter(([time]) => time <= toS);
  return parted(points.map(([time, parts]) => [time, texts(parts)]), began);
}

/** Points with a break where a run began; what a lookback holds of the one before is left out. */
function parted(points, began) {
  const whole = [];
  let [last, held] = [Infinity, null];
  for (const [time, texts] of points) {
    const start = began.find((each) => last < each && each <= time);
    if (start) {
      held = worth(whole.at(-1)[1]);
      whole.push([start, texts.map(() => null)]);
    }
    last = time;
    if (String(texts) === held) continue;
    held = null;
    whole.push([time, texts]);
  }
  const next = began.find((each) => last < each);
  return next ? [...whole, [next, whole.at(-1)[1].map(() => null)]] : whole;
}

/** What would be recognised; a run that begins at nothing looks like any other at nothing. */
function worth(texts) {
  return texts.some((text) => isDecimal(text) && sign(text) !== 0) ? String(texts) : null;
}

function columns(result) {
  const runs = byInstance(result);
  const rows = new Map();
  for (const series of runs) {
    const name = series.metric.__name__;
    for (const [time, text] of series.values) {
      const plain = decimal(text);
      if (plain === null) continue;
      const row = rows.get(time);
      if (!row || row.instance !== series.metric.instance) rows.set(time, { instance: series.metric.instance, parts: new Map() });
      rows.get(time).parts.set(name, plain);
    }
  }
  return [...rows].sort(([a], [b]) => a - b).map(([time, row]) => [time, row.parts]);
}

/** Series of the run that began last come last, so that theirs are the values that stay. */
function byInstance(result) {
  const began = new Map();
  for (const { metric, values } of result) {
    began.set(metric.instance, Math.min(began.get(metric.instance) ?? Infinity, values[0]?.[0] ?? Infinity));
  }
  return [...result].sort((a, b) => began.get(a.metric.instance) - began.get(b.metric.instance));
}

/** Prometheus writes very large and very small numbers with an exponent. */
function decimal(text) {
  const found = /^([+-]?\d+(?:\.\d+)?)(?:e([+-]?\d+))?$/i.exec(text);
  if (!found) return null;
  return found[2] ? shift(found[1], Number(found[2])) : found[1];
}
