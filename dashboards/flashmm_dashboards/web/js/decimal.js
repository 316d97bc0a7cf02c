/** Exact decimals as text. P&L and prices are never turned into binary fractions to be shown. */

const FORM = /^([+-]?)(\d+)(?:\.(\d+))?$/;

/** Whether a value is a plain decimal string such as "-12.30". */
export function isDecimal(text) {
  return typeof text === "string" && FORM.test(text);
}

function parse(text) {
  const [, sign, whole, fraction = ""] = FORM.exec(text);
  const units = BigInt(whole + fraction);
  return { units: sign === "-" ? -units : units, places: fraction.length };
}

function print({ units, places }) {
  const negative = units < 0n;
  const digits = (negative ? -units : units).toString().padStart(places + 1, "0");
  const whole = digits.slice(0, digits.length - places);
  const fraction = places ? `.${digits.slice(digits.length - places)}` : "";
  return `${negative ? "-" : ""}${whole}${fraction}`;
}

function scaled({ units, places }, to) {
  return units * 10n ** BigInt(to - places);
}

/** The exact sum of decimal strings. */
export function sum(texts) {
  const parts = texts.map(parse);
  const places = Math.max(0, ...parts.map((part) => part.places));
  return print({ units: parts.reduce((total, part) => total + scaled(part, places), 0n), places });
}

/** -1, 0 or 1. */
export function sign(text) {
  const { units } = parse(text);
  return units === 0n ? 0 : units > 0n ? 1 : -1;
}

/** Rounded half to even to a number of places, as text. */
export function round(text, places) {
  const value = parse(text);
  if (value.places <= places) return print({ units: scaled(value, places), places });
  const unit = 10n ** BigInt(value.places - places);
  const size = value.units < 0n ? -value.units : value.units;
  let kept = size / unit;
  const rest = (size % unit) * 2n;
  if (rest > unit || (rest === unit && kept % 2n === 1n)) kept += 1n;
  return print({ units: value.units < 0n ? -kept : kept, places });
}

/** How many places follow the point. */
export function places(text) {
  return parse(text).places;
}

/** Without zeros at the end of the fraction. */
export function trim(text) {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** With at least so many places: zeros are added, no digit is lost. */
export function pad(text, count) {
  return round(text, Math.max(count, places(text)));
}

/** Thousands separated by narrow spaces, a true minus, and a plus where asked for. */
export function group(text, { plus = false } = {}) {
  const [, mark, whole, fraction] = FORM.exec(text);
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, "\u202f");
  const shown = mark === "-" ? "\u2212" : plus && sign(text) > 0 ? "+" : "";
  return shown + grouped + (fraction === undefined ? "" : `.${fraction}`);
}

/** Places that show an amount to a hundredth, and small ones to a ten-thousandth. */
export function moneyPlaces(text) {
  const { units, places } = parse(text);
  const size = units < 0n ? -units : units;
  return size < 10n * 10n ** BigInt(places) ? 4 : 2;
}

/** A decimal moved by a power of ten: shift("0.0123", 2) is "1.23". */
export function shift(text, power) {
  const { units, places } = parse(text);
  const left = places - power;
  return left >= 0 ? print({ units, places: left }) : print({ units: units * 10n ** BigInt(-left), places: 0 });
}
