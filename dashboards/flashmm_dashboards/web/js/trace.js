/** A trace of any program: its spans as a waterfall, and the log lines of it. */

import { el } from "./dom.js";
import { durationText, exactClock } from "./format.js";
import { bar } from "./panels.js";

const SPANS_MAX = 200;
const LINES_MAX = 100;
const DEPTH_MAX = 8;
const TEXT_MAX = 2_000;
const MARGIN_NS = 60_000_000_000n;

export function nanos(value) {
  try {
    return BigInt(value ?? 0);
  } catch {
    return 0n;
  }
}

export const micros = (span) => Number(span) / 1_000;

export function timed(span) {
  const start = nanos(span.start_ns);
  return { ...span, start, at: start, end: nanos(span.end_ns) };
}

export const failed = (span) => span.status === 2 || span.status === "error";

export function section(title, content) {
  return el("section", {}, el("h3", {}, title), content);
}

/** Where its log lines are: those of a minute around it too. */
export function linesPath(found) {
  const { start, end } = extent(found.spans.map(timed));
  const from = start > MARGIN_NS ? start - MARGIN_NS : 0n;
  return `/api/logs?trace_id=${found.trace_id}&start=${from}&end=${end + MARGIN_NS}&limit=${LINES_MAX}`;
}

/** The subtitle, and the parts of the dialog. found.lines: the answer for its log lines; found.back: a link, or null. */
export function describeTrace(found) {
  const all = found.spans.map(timed).sort((a, b) => (a.start < b.start ? -1 : Number(a.start > b.start)));
  const spans = all.slice(0, SPANS_MAX);
  const { start, end } = extent(all);
  const shown = all.length > SPANS_MAX ? `, the first ${SPANS_MAX} of ${all.length}` : "";
  const services = new Set(all.map(({ service }) => service).filter(Boolean));
  const parts = [section(`Spans${shown}`, waterfall(spans, start, micros(end - start), services.size > 1)), section("Log lines", lines(found.lines)), ...(found.back ? [el("p", { className: "readout" }, "Of ", found.back)] : [])];
  const where = services.size === 1 ? [...services] : [];
  return [[durationText(micros(end - start)), exactClock(Number(start / 1_000_000n)), ...where].join(" · "), parts];
}

function extent(spans) {
  const least = (a, b) => (a < b ? a : b);
  const most = (a, b) => (a > b ? a : b);
  return { start: spans.map((span) => span.start).reduce(least), end: spans.map((span) => span.end).reduce(most) };
}

/** told: each span says whose it is. */
function waterfall(spans, start, totalUs, told) {
  const rows = nested(spans).flatMap(([span, depth]) => {
    const name = el("span", {}, failed(span) && span.status_message ? `${span.name}: ${cut(span.status_message)}` : span.name);
    if (told && span.service) name.append(el("span", { className: "dim" }, ` ${span.service}`));
    name.style.paddingLeft = `${10 * Math.min(depth, DEPTH_MAX)}px`;
    const offset = micros(span.start - start);
    const whole = Math.max(1, totalUs);
    return [
      name,
      bar(failed(span) ? "failed" : "", [["p50", offset / whole, micros(span.end - span.start) / whole]]),
      el("span", { className: "num" }, durationText(micros(span.end - span.start))),
      el("span", { className: "num dim" }, offset ? `+${durationText(offset)}` : "+0"),
    ];
  });
  return el("div", { className: "waterfall" }, ...rows);
}

/** Each span after its parent, with its depth. Whatever leads to no root, as in a ring, begins at its first span. */
function nested(spans) {
  const ids = new Set(spans.map((span) => span.span_id));
  const left = new Set(spans);
  const found = [];
  const take = (span, depth) => {
    if (!left.delete(span)) return;
    found.push([span, depth]);
    for (const child of spans) if (child.parent_span_id === span.span_id) take(child, depth + 1);
  };
  for (const span of spans) if (!ids.has(span.parent_span_id)) take(span, 0);
  for (const span of spans) take(span, 0);
  return found;
}

function lines(answer) {
  if (!answer.logs?.length) return el("p", { className: "nothing" }, answer.sorry ?? "None in this store. What bots send through a Collector is in Loki.");
  const rows = answer.logs.toReversed().flatMap((line) => logLine(line, exactClock));
  const rest = answer.next ? [el("p", { className: "readout" }, `The latest ${LINES_MAX}.`)] : [];
  return el("div", {}, ...rest, el("div", { className: "life" }, ...rows));
}

/** A line of `/api/logs`, cell by cell. clock(ms): its time as text; more: what follows the text. */
export function logLine(line, clock, ...more) {
  return [
    el("span", { className: "dim num" }, clock(Number(nanos(line.time_ns) / 1_000_000n))),
    el("span", {}, el("span", { className: "chip", "data-state": STATES[level(line)] ?? "" }, level(line))),
    el("span", {}, cut(typeof line.body === "string" ? line.body : JSON.stringify(line.body)), ...more),
  ];
}

const STATES = { warn: "warned", error: "rejected", fatal: "rejected" };
const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"];
const level = (line) => LEVELS[Math.ceil(line.severity / 4) - 1] ?? "log";

const cut = (text) => (text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text);
