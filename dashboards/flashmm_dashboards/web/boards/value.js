/** Values as a board's units write them, and the colours of its thresholds. */

import { NOTHING } from "../js/format.js";

/** What is as long as two of these is told in them. */
const LONG = [["d", 86_400], ["h", 3_600], ["min", 60]];
const SIZES = ["B", "KiB", "MiB", "GiB", "TiB"];

/** A number in one of Grafana's units, as far as our boards use them. */
export function written(number, unit, decimals) {
  if (!Number.isFinite(number)) return NOTHING;
  if (unit === "percentunit") return share(number * 100, decimals);
  if (unit === "s") return seconds(number);
  if (unit === "bytes") return bytes(number);
  if (unit === "cps") return `${plain(number, decimals ?? 2)} /s`;
  if (unit.startsWith("suffix:")) return `${plain(number, decimals)} ${unit.slice(7).trim()}`;
  return plain(number, decimals);
}

function plain(number, decimals) {
  const most = decimals ?? (Math.abs(number) >= 100 ? 0 : 3);
  return number.toLocaleString("en-GB", { maximumFractionDigits: most }).replace("-", "\u2212");
}

/** So little of a limit that it would round to nothing is still something: a queue that began to fill. */
function share(percent, decimals) {
  const little = decimals === undefined && percent !== 0 && Math.abs(percent) < 0.1;
  return `${little ? percent.toLocaleString("en-GB", { maximumSignificantDigits: 2 }).replace("-", "\u2212") : plain(percent, decimals ?? 1)} %`;
}

function seconds(number) {
  const size = Math.abs(number);
  if (size !== 0 && size < 1e-3) return `${plain(number * 1e6, 0)} µs`;
  if (size !== 0 && size < 1) return `${plain(number * 1e3, 1)} ms`;
  const [unit, length] = LONG.find(([, least]) => size >= 2 * least) ?? ["s", 1];
  return `${plain(number / length, length > 1 ? 1 : 2)} ${unit}`;
}

function bytes(number) {
  const power = number > 0 ? Math.min(SIZES.length - 1, Math.floor(Math.log2(number) / 10)) : 0;
  return `${plain(number / 1024 ** power, 1)} ${SIZES[power]}`;
}

/** The colour of the highest threshold that a value has reached. */
export function tone(number, steps) {
  return steps.filter((step) => step.value === null || number >= step.value).at(-1)?.color ?? "";
}

/** What a series is called: `{{label}}` filled in. */
export function called(template, labels) {
  if (!template || template === "__auto") return Object.values(labels).join(" ");
  return template.replace(/\{\{(\w+)\}\}/g, (_, name) => labels[name] ?? "").trim();
}
