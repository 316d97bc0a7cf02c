/** A board's questions: variables filled in, asked of the Prometheus API beside the page. */

const POINTS = 300;
const EXEMPLARS = 40;
const WINDOW_MIN_S = 60;
/** It has a value of any time, whatever is stored. */
const CONSTANT = /\bvector\(/;
/** When the oldest begins of all that was found so far, in seconds. */
let oldest = Infinity;
/** What a variable's *All* stands for. */
const EVERYTHING = ".+";

/** A rate's window: a minute, or so much that neighbouring points' windows meet. */
function rateInterval(seconds) {
  return `${Math.max(60, 4 * stepOf(seconds))}s`;
}

function stepOf(seconds) {
  return Math.max(1, Math.ceil(seconds / POINTS));
}

/** An expression with the chosen variables: name → value, a regular expression; seconds: the range that it is asked over. */
export function filledIn(expression, chosen, seconds) {
  let text = expression.replaceAll("$__rate_interval", rateInterval(seconds));
  for (const [name, value] of Object.entries(chosen)) text = text.replaceAll(`$${name}`, quoted(value));
  return text;
}

function quoted(value) {
  return value.replace(/\\/g, "\\\\").replace(/"/g, '\\"');
}

/** A value as a regular expression that matches it alone. */
export function literally(value) {
  return value.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** The value that a regular expression of `literally` matches; undefined where several may match. */
export function only(chosen) {
  return chosen === EVERYTHING ? undefined : chosen.replace(/\\(.)/g, "$1");
}

/** The series of an instant. Throws an Error that says what the server said. */
export async function now(expression) {
  return (await ask("query", { query: expression })).result;
}

/** The series of the last seconds, and the window itself: { result, window, step }. */
export async function course(expression, seconds) {
  const step = stepOf(seconds);
  const end = Math.floor(Date.now() / 1000 / step) * step;
  const window = [end - seconds, end];
  const { result } = await ask("query_range", { query: expression, start: window[0], end, step });
  if (!CONSTANT.test(expression)) for (const { values, histograms } of result) oldest = Math.min(oldest, (values ?? histograms)[0][0]);
  return { result, window, step };
}

/** A window, or as much of it as there is anything to show for on the board: the same for all its panels. */
export function begun([from, to]) {
  return [oldest < Infinity ? Math.max(from, Math.min(to - WINDOW_MIN_S, oldest)) : from, to];
}

/** Single orders behind an expression's histograms: { at, value, trace }, the largest values of the window. */
export async function exemplars(expression, [start, end]) {
  const found = await ask("query_exemplars", { query: expression, start, end });
  const all = found.flatMap((series) => series.exemplars.map(({ labels, value, timestamp }) => ({ at: timestamp, value: Number(value), trace: labels.trace_id })));
  return all.filter(({ trace }) => trace).sort((a, b) => b.value - a.value).slice(0, EXEMPLARS);
}

/** The values of a variable whose query is `label_values(selector, label)`. */
export async function values(query, chosen) {
  const found = /^label_values\((.*), (\w+)\)$/.exec(query);
  if (!found) return [];
  return ask(`label/${found[2]}/values`, { "match[]": filledIn(found[1], chosen, 900) });
}

async function ask(path, parameters) {
  const answer = await fetch(`/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const body = await answer.json();
  if (body.status !== "success") throw new Error(String(body.error ?? `HTTP ${answer.status}`));
  return body.data;
}
