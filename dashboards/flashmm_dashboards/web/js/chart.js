/** Line charts over time, by uPlot, in the page's colours. */

import { el } from "./dom.js";
import { clock, day, inUtc, minute } from "./format.js";

/* global uPlot */

const FONT = '11px Inter, system-ui, sans-serif';
/** What half a time such as 20:50:30 takes beyond the last tick, which may stand at the very edge. */
const HALF_LABEL = 26;

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function timeTicks(_, splits, __, ___, step) {
  return splits.map((at) => {
    if (step >= 86_400) return day(at * 1000);
    return step >= 60 ? minute(at * 1000) : clock(at * 1000);
  });
}

function plainTicks(_, splits, __, ___, step) {
  const places = [0, 1, 2, 3, 4, 5].find((count) => Math.abs(step * 10 ** count - Math.round(step * 10 ** count)) < 1e-6) ?? 6;
  return splits.map((value) => value.toFixed(places).replace("-", "\u2212"));
}

export class TimeChart {
  /**
   * lines: [{ colour, fill, width, step, dash }], one for each column drawn; band: [upper, lower] line numbers.
   * baseline: a value with a dashed line; range: fixed value range; ticks: how values are written, default plain.
   * shadeMissing: the line whose absence is shaded, where others go on; empty: what to say without data; spanGaps: a line goes on where other columns have points of their own;
   * onCursor(index or null); onPick(trace) when one of `dots`, [{ at, value, trace }], is clicked.
   */
  constructor(box, options) {
    this.box = box;
    this.options = options;
    this.data = null;
    this.window = [0, 1];
    this.plot = null;
    this.dots = [];
    this.ended = new AbortController();
    if (options.onPick) box.addEventListener("click", (click) => this.pick(click), { signal: this.ended.signal });
    this.nothing = el("p", { className: "nothing" }, options.empty ?? "");
    if (options.empty) box.append(this.nothing);
    box.setAttribute("role", "img");
    this.seen = true;
    const sight = new IntersectionObserver((entries) => (this.seen = entries.at(-1).isIntersecting), { rootMargin: "200px" });
    this.observers = [new ResizeObserver(() => this.resize()), sight];
    for (const observer of this.observers) observer.observe(box);
  }

  /** Leave the box to another chart. */
  destroy() {
    for (const observer of this.observers) observer.disconnect();
    this.ended.abort();
    this.forget();
    this.nothing.remove();
  }

  /** data: uPlot's [times, ...columns]; window: seconds from and to; label: what the picture shows, in words. */
  draw(data, window, label) {
    this.data = data;
    this.window = window;
    if (this.box.getAttribute("aria-label") !== label) this.box.setAttribute("aria-label", label);
    const any = data[0].length > 0 && data[0].at(-1) >= window[0];
    this.nothing.hidden = any;
    if (!any) this.forget();
    else if (this.plot) this.plot.setData(data);
    else this.build();
  }

  /** After a change of theme or zone. */
  rebuild() {
    if (!this.plot) return;
    this.forget();
    this.build();
  }

  forget() {
    this.plot?.destroy();
    this.plot = null;
  }

  /** Without the library, which loads beside the figures, the next drawing tries again. */
  build() {
    if (!("uPlot" in globalThis)) return;
    const { clientWidth: width, clientHeight: height } = this.box;
    if (width > 0 && height > 0) this.plot = new uPlot(this.settings(width, height), this.data, this.box);
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.box;
    if (this.plot && width > 0) this.plot.setSize({ width, height });
    else if (this.data && this.data[0].length) this.build();
  }

  settings(width, height) {
    const { lines, band, range, sync } = this.options;
    return {
      width,
      height,
      pxAlign: false,
      padding: [10, HALF_LABEL, this.options.bare ? 6 : 0, 0],
      legend: { show: false },
      tzDate: (at) => (inUtc() ? uPlot.tzDate(new Date(at * 1000), "Etc/UTC") : new Date(at * 1000)),
      cursor: {
        y: false,
        drag: { x: false, y: false },
        points: { size: 7 },
        ...(sync ? { sync: { key: sync } } : {}),
      },
      scales: { x: { range: () => this.window }, y: range ? { range: () => range } : { range: fit } },
      axes: this.axes(),
      series: [{}, ...lines.map((line) => this.line(line))],
      bands: band ? [{ series: band, fill: colour("--own-fill") }] : [],
      hooks: { drawClear: [(plot) => this.shade(plot)], draw: [(plot) => this.decorate(plot)], setCursor: [(plot) => this.options.onCursor?.(plot.cursor.idx ?? null)] },
    };
  }

  line({ colour: name, fill, width = 1.6, step, dash }) {
    return {
      stroke: colour(name),
      width,
      dash,
      spanGaps: this.options.spanGaps ?? false,
      fill: fill ? colour("--own-fill") : undefined,
      fillTo: this.options.baseline ?? undefined,
      points: { show: false },
      paths: step ? uPlot.paths.stepped({ align: 1 }) : undefined,
    };
  }

  axes() {
    const shared = { font: FONT, stroke: colour("--muted"), ticks: { show: false } };
    const grid = { stroke: colour("--grid"), width: 1 };
    const x = { ...shared, show: !this.options.bare, grid: { show: false }, values: timeTicks, size: 26, gap: 6, space: 84 };
    const y = { ...shared, grid, values: this.options.ticks ?? plainTicks, size: room, gap: 8, space: this.options.space ?? 36 };
    return [x, y];
  }

  /** A grey ground where one line is missing and another is not. */
  shade(plot) {
    const column = this.options.shadeMissing;
    if (column === undefined) return;
    const [times, ...lines] = plot.data;
    const missing = (place) => lines[column - 1][place] === null && lines.some((line) => line[place] !== null);
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.fillStyle = colour("--pause");
    for (let place = 0; place < times.length; place += 1) {
      if (!missing(place)) continue;
      const from = place;
      while (place + 1 < times.length && missing(place + 1)) place += 1;
      const left = Math.max(bbox.left, plot.valToPos(times[Math.max(0, from - 1)], "x", true));
      const right = Math.min(bbox.left + bbox.width, plot.valToPos(times[place], "x", true));
      if (right > left) ctx.fillRect(left, bbox.top, right - left, bbox.height);
    }
    ctx.restore();
  }

  decorate(plot) {
    const { baseline, lines } = this.options;
    const { ctx, bbox } = plot;
    if (baseline !== undefined && baseline >= plot.scales.y.min && baseline <= plot.scales.y.max) {
      const y = Math.round(plot.valToPos(baseline, "y", true)) + 0.5;
      ctx.save();
      ctx.strokeStyle = colour("--market");
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash([3 * devicePixelRatio, 4 * devicePixelRatio]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.restore();
    }
    if (!this.options.bare) lines.forEach((line, index) => this.mark(plot, line, index + 1));
    this.drawDots(plot);
  }

  /** Single orders, as rings. */
  drawDots(plot) {
    const { ctx } = plot;
    ctx.save();
    ctx.strokeStyle = colour("--ink");
    ctx.lineWidth = devicePixelRatio;
    for (const { at, value } of this.dots) {
      if (at < this.window[0] || value > plot.scales.y.max) continue;
      ctx.beginPath();
      ctx.arc(plot.valToPos(at, "x", true), plot.valToPos(value, "y", true), 3 * devicePixelRatio, 0, 2 * Math.PI);
      ctx.stroke();
    }
    ctx.restore();
  }

  /** The dot nearest to a click, if one is within a finger's width. */
  pick(click) {
    if (!this.plot) return;
    const { left, top } = this.plot.over.getBoundingClientRect();
    const far = ({ at, value }) => Math.hypot(this.plot.valToPos(at, "x") + left - click.clientX, this.plot.valToPos(value, "y") + top - click.clientY);
    const nearest = this.dots.reduce((best, dot) => (best === null || far(dot) < far(best) ? dot : best), null);
    if (nearest && far(nearest) < 14) this.options.onPick(nearest.trace);
  }

  /** A dot where the line is now. */
  mark(plot, line, column) {
    const last = plot.data[0].length - 1;
    const value = plot.data[column][last];
    if (last < 0 || value === null || value === undefined) return;
    const { ctx } = plot;
    ctx.save();
    ctx.fillStyle = colour(line.colour);
    ctx.beginPath();
    ctx.arc(plot.valToPos(plot.data[0][last], "x", true), plot.valToPos(value, "y", true), 3 * devicePixelRatio, 0, 2 * Math.PI);
    ctx.fill();
    ctx.restore();
  }
}

/** Width of the value axis: that of its longest label. */
function room(_, labels) {
  return Math.max(54, 16 + 6.4 * Math.max(0, ...(labels ?? []).map((label) => label.length)));
}

/** A value range with some air; a flat line gets some too. What is never below zero has hardly any below it. */
function fit(_, low, high) {
  if (low === null || high === null) return [0, 1];
  const air = (high - low) * 0.12 || Math.abs(high) * 0.05 || 1;
  return [low >= 0 && low < air ? -0.02 * (high + air) : low - air, high + air];
}
