/** The kinds of panel: each takes a panel of Grafana's JSON and makes { element, refresh(chosen, seconds) }. */

import { TimeChart } from "../js/chart.js";
import { el, setText, show } from "../js/dom.js";
import { dayClock, span } from "../js/format.js";
import { bar } from "../js/panels.js";
import { drawCells } from "./density.js";
import { logLines } from "./lines.js";
import { begun, course, exemplars, filledIn, now } from "./query.js";
import { called, tone, written } from "./value.js";

const COLOURS = 8;
const EMPTY = "Nothing to show yet.";

const KINDS = {
  timeseries: curves,
  "state-timeline": states,
  stat: figures,
  gauge: dials,
  table: rows,
  heatmap: density,
  logs: logLines,
};

/** A panel's place on the page. */
export function made(panel) {
  const body = el("div");
  const trouble = el("p", { className: "about trouble", role: "status", hidden: true });
  const element = el("section", { className: `w${panel.gridPos.w}` },
    el("h2", {}, panel.title), el("p", { className: "about" }, panel.description), trouble, body);
  const kind = KINDS[panel.type];
  if (!kind) {
    body.append(el("p", { className: "nothing" }, `No view of ${panel.type} here.`));
    return { element, refresh: async () => {} };
  }
  return { element, refresh: telling(trouble, kind(panel, body)) };
}

/** A panel that cannot be read says so itself, and keeps what it showed. */
function telling(trouble, refresh) {
  return async (...asked) => {
    try {
      await refresh(...asked);
      show(trouble, false);
    } catch (error) {
      setText(trouble, `This could not be read just now: ${error.message}`);
      show(trouble, true);
    }
  };
}

const defaults = (panel) => panel.fieldConfig.defaults;
const text = (panel, number) => written(number, defaults(panel).unit, defaults(panel).decimals);

function curves(panel, body) {
  const box = el("div", { className: "chart" });
  const keys = el("ul", { className: "keys" });
  body.append(box, keys);
  let chart = null;
  let drawn = null;
  let lines = [];
  let dots = [];
  let cursor = null;
  const legend = () => keys.replaceChildren(...lines.map((line, place) => key(panel, line, place, cursor)), ...moment(lines, cursor), ...slowest(panel, dots));
  const follow = (index) => {
    const at = index === null ? null : chart.data[0][index];
    if (at === cursor) return;
    cursor = at;
    legend();
  };
  return async (chosen, seconds) => {
    const asked = await Promise.all(panel.targets.map((target) => course(filledIn(target.expr, chosen, seconds), seconds)));
    dots = await orders(panel, chosen, seconds, asked[0].window);
    lines = asked.flatMap(({ result }, place) =>
      result.map((series) => ({ name: called(panel.targets[place].legendFormat, series.metric), values: series.values ?? [] })));
    body.classList.toggle("bare", !lines.length);
    body.classList.toggle("elsewhere", !lines.length && ofStack(panel));
    const names = lines.map(({ name }) => name).join("\n");
    if (names !== drawn) {
      chart?.destroy();
      const colours = lines.map((_, place) => ({ colour: `--s${place % COLOURS}`, dash: place >= COLOURS ? [6, 4] : undefined }));
      chart = new TimeChart(box, { lines: colours, empty: empty(panel), ticks: (_, splits) => splits.map((at) => text(panel, at)), onPick: openTrace, onCursor: follow, sync: "boards" });
      drawn = names;
    }
    chart.dots = dots;
    const window = begun(asked[0].window);
    chart.draw(columns(lines), window, described(panel, lines, window));
    legend();
  };
}

const ofStack = (panel) => panel.targets.every(({ expr }) => /\b(otelcol|prometheus)_/.test(expr));

/** What to say of a panel without data: the Collector's and Prometheus's are there with the whole stack alone. */
function empty(panel) {
  return ofStack(panel) ? "Nothing here: this comes from the Collector or Prometheus, which run only with the whole stack." : EMPTY;
}

/** On and off over time: a row for each series. */
function states(panel, body) {
  return async (chosen, seconds) => {
    const { result, window, step } = await course(filledIn(panel.targets[0].expr, chosen, seconds), seconds);
    const each = result.flatMap((series) => stateRow(called(panel.targets[0].legendFormat, series.metric), series.values, begun(window), step));
    body.replaceChildren(each.length ? el("div", { className: "states" }, ...each) : nothing(panel));
  };
}

function stateRow(name, values, [from, to], step) {
  const parts = [];
  for (const [at, value] of values) {
    const state = Number(value) ? "on" : "off";
    const last = parts.at(-1);
    if (last?.state === state && at - last.until <= step) last.until = at;
    else parts.push({ state, since: at - step, until: at });
  }
  const share = (at) => Math.min(1, Math.max(0, (at - from) / (to - from)));
  const pieces = parts.map(({ state, since, until }) => [state, share(since), share(until) - share(since)]);
  return [el("span", {}, name), bar("", pieces), el("b", { "data-tone": Number(values.at(-1)[1]) ? "green" : "red" }, Number(values.at(-1)[1]) ? "up" : "away")];
}

const nothing = (panel) => el("p", { className: "nothing" }, empty(panel));

/** The panel in words: over what time, every curve's name and last value. */
function described(panel, lines, [from, to]) {
  return `${panel.title}, last ${span(to - from)}. ${lines.map((line) => `${line.name}: ${text(panel, Number(line.values.at(-1)?.[1]))}`).join("; ") || EMPTY}`;
}

/** The orders behind a latency panel, where it asks for them. */
async function orders(panel, chosen, seconds, window) {
  const targets = panel.targets.filter((target) => target.exemplar);
  const found = await Promise.all(targets.map((target) => exemplars(filledIn(target.expr, chosen, seconds), window)));
  return found.flat();
}

const openTrace = (trace) => open(`/?trace=${trace}`, "_blank", "noopener");

/** The dots again as links, the slowest first: for the keyboard, and where a finger is too large. */
function slowest(panel, dots) {
  if (!dots.length) return [];
  const links = [...dots].sort((a, b) => b.value - a.value).slice(0, 3).map(({ trace, value }) =>
    el("a", { href: `/?trace=${trace}`, target: "_blank", rel: "noopener", title: `trace ${trace}` }, text(panel, value)));
  return [el("li", { className: "slowest" }, "slowest orders ", ...links.flatMap((link) => [link, " "]))];
}

/** uPlot's columns: all times, then each line's values at them. */
function columns(lines) {
  const times = [...new Set(lines.flatMap((line) => line.values.map(([at]) => at)))].sort((a, b) => a - b);
  const columnsOf = lines.map((line) => {
    const known = new Map(line.values);
    return times.map((at) => (known.has(at) && Number.isFinite(Number(known.get(at))) ? Number(known.get(at)) : null));
  });
  return [times, ...columnsOf];
}

/** A curve's name and its value: the last one, or that at the cursor. */
function key(panel, line, place, cursor) {
  const swatch = el("i");
  swatch.style.background = `var(--s${place % COLOURS})`;
  const value = cursor === null ? line.values.at(-1) : line.values.find(([at]) => at === cursor);
  return el("li", {}, swatch, `${line.name} `, el("b", {}, text(panel, Number(value?.[1]))));
}

/** When the cursor is. */
function moment(lines, cursor) {
  return cursor === null || !lines.length ? [] : [el("li", {}, "at ", el("b", {}, dayClock(cursor * 1000)))];
}

function latest(panel, chosen, seconds) {
  return now(filledIn(panel.targets[0].expr, chosen, seconds));
}

function toned(panel, number) {
  return el("b", { "data-tone": tone(number, defaults(panel).thresholds.steps) }, text(panel, number));
}

function named(panel, series) {
  return el("span", {}, ` ${called(panel.targets[0].legendFormat, series.metric)}`);
}

function figures(panel, body) {
  return async (chosen, seconds) => {
    const found = await latest(panel, chosen, seconds);
    const each = found.map((series) => el("p", { className: "figure" }, toned(panel, Number(series.value[1])), named(panel, series)));
    body.replaceChildren(each.length ? el("div", { className: "figures" }, ...each) : nothing(panel));
  };
}

function dials(panel, body) {
  const { min = 0, max = 1 } = defaults(panel);
  return async (chosen, seconds) => {
    const found = await latest(panel, chosen, seconds);
    const each = found.map((series) => {
      const value = Number(series.value[1]);
      const needle = el("i");
      needle.style.width = `${100 * Math.min(1, Math.max(0, (value - min) / (max - min)))}%`;
      const dial = el("span", { className: "dial", "data-tone": tone(value, defaults(panel).thresholds.steps), "aria-hidden": "true" }, needle);
      return el("div", {}, el("p", { className: "figure" }, toned(panel, value), named(panel, series)), dial);
    });
    body.replaceChildren(...(each.length ? each : [nothing(panel)]));
  };
}

function rows(panel, body) {
  return async (chosen, seconds) => {
    const found = await latest(panel, chosen, seconds);
    const names = [...new Set(found.flatMap((series) => Object.keys(series.metric)))].filter((name) => name !== "__name__");
    const heading = (name) => el("th", { scope: "col", className: name === "value" ? "num" : "" }, name.replace("flashmm_", ""));
    const head = el("tr", {}, ...[...names, "value"].map(heading));
    const lines = found.map((series) => el("tr", {}, ...names.map((name) => el("td", {}, series.metric[name] ?? "")),
      el("td", { className: "num" }, toned(panel, Number(series.value[1])))));
    body.replaceChildren(found.length ? el("table", {}, el("thead", {}, head), el("tbody", {}, ...lines)) : nothing(panel));
  };
}

function density(panel, body) {
  const canvas = el("canvas", { role: "img" });
  const none = nothing(panel);
  body.append(canvas, none);
  return async (chosen, seconds) => {
    const { result, window, step } = await course(filledIn(panel.targets[0].expr, chosen, seconds), seconds);
    const cells = (result[0]?.histograms ?? []).flatMap(([at, { buckets = [] }]) =>
      buckets.map(([, low, high, count]) => ({ at, low: Number(low), high: Number(high), count: Number(count) }))).filter((cell) => cell.low > 0);
    show(none, !cells.length);
    show(canvas, cells.length > 0);
    if (cells.length) canvas.setAttribute("aria-label", `${panel.title}: ${drawCells(canvas, cells, begun(window), step, (at) => text(panel, at))}`);
  };
}
