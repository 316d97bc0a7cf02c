/** How values are written: exact decimals rounded to be read, durations with the unit that fits, times in one zone. */

import { group, isDecimal, moneyPlaces, pad, places, round, shift, sign, trim } from "./decimal.js";

export const NOTHING = "–";

export const money = (text) => (isDecimal(text) ? group(round(text, moneyPlaces(text)), { plus: true }) : NOTHING);
/** All digits that say something, and as many places as the step (tick or lot) has, where it is known. */
export const stepped = (text, step) => (isDecimal(text) ? group(pad(trim(text), isDecimal(step) ? places(trim(step)) : 0)) : NOTHING);
export const signedQuantity = (text) => (isDecimal(text) ? group(text, { plus: true }) : NOTHING);
/** An amount without a sign. */
export const amount = (text) => (isDecimal(text) ? group(round(text, moneyPlaces(text))) : NOTHING);
/** Basis points to a hundredth; below one, to a thousandth. */
export const bps = (text, plus = false) => (isDecimal(text) ? group(round(text, moneyPlaces(shift(text, 1)) === 4 ? 3 : 2), { plus }) : NOTHING);
/** A share such as "0.8312" as per cent, "83.1". */
export const percent = (text, places = 1) => (isDecimal(text) ? group(round(shift(text, 2), places)) : NOTHING);
export const count = (number) => (Number.isSafeInteger(number) ? group(String(number)) : NOTHING);

/** "up", "down" or "". */
export function tone(text) {
  if (!isDecimal(text)) return "";
  return ["down", "", "up"][sign(text) + 1];
}

/** The tone of an amount as it is shown: what is rounded to nothing has none. */
export const moneyTone = (text) => (isDecimal(text) ? tone(round(text, moneyPlaces(text))) : "");

/** Microseconds as { value, unit }. */
export function duration(micros) {
  if (typeof micros !== "number" || !Number.isFinite(micros)) return { value: NOTHING, unit: "" };
  if (micros < 1_000) return { value: three(micros), unit: "µs" };
  return micros < 1_000_000 ? { value: three(micros / 1_000), unit: "ms" } : { value: three(micros / 1_000_000), unit: "s" };
}

export function durationText(micros) {
  const { value, unit } = duration(micros);
  return unit ? `${value} ${unit}` : value;
}

function three(number) {
  return number >= 100 ? number.toFixed(0) : number >= 10 ? number.toFixed(1) : number.toFixed(2);
}

/** Seconds as people say them: "12 s", "3 min", "5 h". */
export function span(seconds) {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}

let utc = true;

export function inUtc() {
  return utc;
}

export function setUtc(value) {
  utc = value;
  formats.clear();
}

/** The zone's name as people write it. */
export function zoneName() {
  return utc ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone || "local";
}

const formats = new Map();

function format(name, options) {
  if (!formats.has(name)) {
    const zone = utc ? { timeZone: "UTC" } : {};
    formats.set(name, new Intl.DateTimeFormat("en-GB", { ...options, ...zone, hourCycle: "h23" }));
  }
  return formats.get(name);
}

const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit" };

export const clock = (ms) => format("clock", CLOCK).format(ms);
export const exactClock = (ms) => format("exact", { ...CLOCK, fractionalSecondDigits: 3 }).format(ms);
export const minute = (ms) => format("minute", { hour: "2-digit", minute: "2-digit" }).format(ms);
/** The time of today, or the day and the time of another. */
export const dayClock = (ms) => `${day(ms) === day(Date.now()) ? "" : `${day(ms)}, `}${clock(ms)}`;
export const day = (ms) => format("day", { day: "numeric", month: "short" }).format(ms);

/** When a run began: it is a UUIDv7, whose first 48 bits are milliseconds; 0 where it is none. */
export function beganMs(run) {
  const found = /^([0-9a-f]{8})-([0-9a-f]{4})-7/.exec(String(run ?? ""));
  return found ? Number.parseInt(found[1] + found[2], 16) : 0;
}
