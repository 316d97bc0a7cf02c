/** The kinds of panel: each takes a panel of Grafana's JSON and makes { element, refresh(chosen, seconds) }. */

import { TimeChart } from "../js/chart.js";
import { el } from "../js/dom.js";
import { course, exemplars, filledIn, now } from "./query.js";
import { called, tone, written } from "./value.js";

const COLOURS = 8;
const EMPTY = "Nothing to show yet.";
const ELSEWHERE = { logs: "Log lines are read in Grafana, from Loki; orders and fills are on the live page." };

const KINDS = {
  timeseries: curves,
  "state-timeline": curves,
  stat: figures,
  gauge: dials,
  table: rows,
  heatmap: density,
};

/** A panel's place on the page. */
export function made(panel) {
  const body = el("div");
  const element = el("section", { className: `w${panel.gridPos.w}` },
    el("h2", {}, panel.title), el("p", { className: "about" }, panel.description), body);
  const kind = KINDS[panel.type];
  if (!kind) {
    body.append(el("p", { className: "nothing" }, ELSEWHERE[panel.type] ?? `No view of ${panel.type} here.`));
    return { element, refresh: async () => {} };
  }
  return { element, refresh: kind(panel, body) };
}

const defaults = (panel) => panel.fieldConfig.defaults;
const text = (panel, number) => written(number, defaults(panel).unit, defaults(panel).decimals);

function curves(panel, body) {
  const box = el("div", { className: "chart" });
  const keys = el("ul", { className: "keys" });
  body.append(box, keys);
  let chart = null;
  let drawn = null;
  return async (chosen, seconds) => {
    const asked = await Promise.all(panel.targets.map((target) => course(filledIn(target.expr, chosen, seconds), seconds)));
    const dots = await orders(panel, chosen, seconds, asked[0].window);
    const lines = asked.flatMap(({ result }, place) =>
      result.map((series) => ({ name: called(panel.targets[place].legendFormat, series.metric), values: series.values ?? [] })));
    const names = lines.map(({ name }) => name).join("\n");
    if (names !== drawn) {
      box.replaceChildren();
      chart?.forget();
      const colours = lines.map((_, place) => ({ colour: `--s${place % COLOURS}` }));
      chart = new TimeChart(box, { lines: colours, empty: EMPTY, ticks: (_, splits) => splits.map((at) => text(panel, at)), onPick: openTrace });
      drawn = names;
    }
    chart.dots = dots;
    chart.draw(columns(lines), asked[0].window, described(panel, lines));
    keys.replaceChildren(...lines.map((line, place) => key(panel, line, place)), ...slowest(panel, dots));
  };
}

/** The panel in words: every curve's name and last value. */
function described(panel, lines) {
  return `${panel.title}. ${lines.map((line) => `${line.name}: ${text(panel, Number(line.values.at(-1)?.[1]))}`).join("; ") || EMPTY}`;
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

function key(panel, line, place) {
  const swatch = el("i");
  swatch.style.background = `var(--s${place % COLOURS})`;
  return el("li", {}, swatch, `${line.name} `, el("b", {}, text(panel, Number(line.values.at(-1)?.[1]))));
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
    body.replaceChildren(el("div", { className: "figures" }, ...(each.length ? each : [EMPTY])));
  };
}

function dials(panel, body) {
  const { min = 0, max = 1 } = defaults(panel);
  return async (chosen, seconds) => {
    const found = await latest(panel, chosen, seconds);
    const each = found.map((series) => {
      const value = Number(series.value[1]);
      const label = called(panel.targets[0].legendFormat, series.metric);
      return el("p", { className: "figure" }, toned(panel, value), named(panel, series), el("meter", { min, max, value, "aria-label": label }));
    });
    body.replaceChildren(...(each.length ? each : [EMPTY]));
  };
}

function rows(panel, body) {
  return async (chosen, seconds) => {
    const found = await latest(panel, chosen, seconds);
    const names = [...new Set(found.flatMap((series) => Object.keys(series.metric)))].filter((name) => name !== "__name__");
    const head = el("tr", {}, ...[...names, "value"].map((name) => el("th", { scope: "col" }, name.replace("flashmm_", ""))));
    const lines = found.map((series) => el("tr", {}, ...names.map((name) => el("td", {}, series.metric[name] ?? "")),
      el("td", { className: "num" }, toned(panel, Number(series.value[1])))));
    body.replaceChildren(found.length ? el("table", {}, el("thead", {}, head), el("tbody", {}, ...lines)) : EMPTY);
  };
}

function density(panel, body) {
  const canvas = el("canvas", { role: "img" });
  const scale = el("p", { className: "keys" });
  body.append(canvas, scale);
  return async (chosen, seconds) => {
    const { result, window, step } = await course(filledIn(panel.targets[0].expr, chosen, seconds), seconds);
    const cells = (result[0]?.histograms ?? []).flatMap(([at, { buckets = [] }]) =>
      buckets.map(([, low, high, count]) => ({ at, low: Number(low), high: Number(high), count: Number(count) })));
    scale.textContent = cells.length ? drawCells(canvas, cells.filter((cell) => cell.low > 0), window, step, panel) : EMPTY;
    canvas.setAttribute("aria-label", `${panel.title}: ${scale.textContent}`);
  };
}

/** Paint buckets on a logarithmic scale; returns the scale in words. */
function drawCells(canvas, cells, [from, to], step, panel) {
  const width = (canvas.width = canvas.clientWidth * devicePixelRatio);
  const height = (canvas.height = canvas.clientHeight * devicePixelRatio);
  const low = Math.min(...cells.map((cell) => cell.low));
  const high = Math.max(...cells.map((cell) => cell.high));
  const most = Math.max(...cells.map((cell) => cell.count));
  const x = (at) => ((at - from) / (to - from)) * width;
  const y = (value) => height * (1 - Math.log(value / low) / Math.log(high / low));
  const pen = canvas.getContext("2d");
  pen.fillStyle = getComputedStyle(canvas).getPropertyValue("--s0");
  for (const cell of cells) {
    pen.globalAlpha = 0.12 + 0.88 * Math.sqrt(cell.count / most);
    pen.fillRect(x(cell.at - step), y(cell.high), Math.max(1, x(from + step)), Math.max(1, y(cell.low) - y(cell.high)));
  }
  return `from ${text(panel, low)} at the bottom to ${text(panel, high)} at the top, logarithmic`;
}
