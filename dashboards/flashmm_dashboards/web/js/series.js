/** A time series in columns: numbers to draw, and the exact text of each to show. */

import { isDecimal } from "./decimal.js";

const POINTS_MAX = 20_000;
const BREAK_S = 90;

export class Series {
  /** names: its columns. */
  constructor(names) {
    this.names = names;
    this.clear();
  }

  clear() {
    this.times = [];
    this.values = this.names.map(() => []);
    this.texts = this.names.map(() => []);
    this.liveFrom = Infinity;
  }

  get length() {
    return this.times.length;
  }

  /** The next point, seconds and a text or null for each column; an older one than the last is left out. */
  push(time, texts) {
    const last = this.times.at(-1);
    if (!Number.isFinite(time) || time < last) return;
    if (time === last) this.drop();
    else if (time - last > BREAK_S) this.breakOff();
    this.append(time, texts);
    this.liveFrom = Math.min(this.liveFrom, time);
    if (this.times.length > POINTS_MAX) this.trim(POINTS_MAX / 10);
  }

  /** No line leads from the last point to the next one. */
  breakOff() {
    if (this.length) this.append(this.times.at(-1) + 0.001, this.names.map(() => null));
  }

  /** What was live up to now is no longer without a gap: the next history replaces it. */
  restart() {
    this.liveFrom = Infinity;
  }

  /** Put history before what came live without a gap. points: [time, texts], in order. */
  rebase(points) {
    const keep = this.times.findIndex((time) => time >= this.liveFrom);
    const live = keep < 0 ? [] : this.times.slice(keep).map((time, index) => [time, this.texts.map((column) => column[keep + index])]);
    const from = this.liveFrom;
    this.clear();
    for (const [time, texts] of points) if (time < from) this.push(time, texts);
    this.liveFrom = Infinity;
    for (const [time, texts] of live) this.push(time, texts);
    this.liveFrom = from;
  }

  /** The least and the greatest text of a column, by value; nulls without any. */
  extent(column) {
    let [low, high] = [-1, -1];
    this.values[column].forEach((value, place) => {
      if (value === null) return;
      if (low < 0 || value < this.values[column][low]) low = place;
      if (high < 0 || value > this.values[column][high]) high = place;
    });
    return [this.texts[column][low] ?? null, this.texts[column][high] ?? null];
  }

  /** Since when a column has been what it is now, known or unknown; null where that began before the first point. */
  since(column) {
    const values = this.values[column];
    const known = values.at(-1) !== null;
    for (let place = values.length - 1; place >= 0; place -= 1) {
      if ((values[place] !== null) !== known) return this.times[place];
    }
    return null;
  }

  /** The last index with any value at or before a time, or -1. */
  at(time) {
    let low = 0;
    let high = this.times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.times[middle] <= time) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  append(time, texts) {
    this.times.push(time);
    texts.forEach((text, column) => {
      const known = isDecimal(text) ? text : null;
      this.texts[column].push(known);
      this.values[column].push(known === null ? null : Number(known));
    });
  }

  drop() {
    for (const column of [this.times, ...this.values, ...this.texts]) column.pop();
  }

  trim(count) {
    for (const column of [this.times, ...this.values, ...this.texts]) column.splice(0, count);
    this.liveFrom = Math.max(this.liveFrom, this.times[0]);
  }
}
