/** A time series in columns: numbers to draw, and the exact text of each to show. */

import { isDecimal } from "./decimal.js";

const POINTS_MAX = 20_000;
const BREAK_S = 90;
const STEPS = 600;

/** How many seconds apart a range's points are, when they come from a history. */
export const stepOf = (rangeS) => Math.max(1, Math.ceil(rangeS / STEPS));

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
    else if (time - last > BREAK_S && last >= this.liveFrom) this.breakOff();
    this.append(time, texts);
    this.liveFrom = Math.min(this.liveFrom, time);
  }

  get full() {
    return this.length > POINTS_MAX;
  }

  /**
   * Make room: the older half becomes what a history of the range would be, one point a step, or the break in it.
   * Another range's history replaces it.
   */
  thin(rangeS) {
    const half = this.length >> 1;
    const [step, from] = [stepOf(rangeS), this.times.at(-1) - rangeS];
    const kept = new Map();
    for (let place = 0; place < half; place += 1) {
      const slot = Math.floor(this.times[place] / step);
      if (this.times[place] >= from && !this.isBreak(kept.get(slot))) kept.set(slot, place);
    }
    const places = [...kept.values()];
    for (const column of this.columns) column.splice(0, half, ...places.map((place) => column[place]));
    this.liveFrom = Math.max(this.liveFrom, this.times[places.length]);
  }

  isBreak(place) {
    return place !== undefined && this.texts.every((column) => column[place] === null);
  }

  /** No line leads from the last point to the next one. */
  breakOff() {
    if (this.length && !this.isBreak(this.length - 1)) this.append(this.times.at(-1) + 0.001, this.names.map(() => null));
  }

  /** What was live up to now is no longer without a gap: the next history replaces it. */
  restart() {
    this.liveFrom = Infinity;
  }

  /** Put history before what came live without a gap. points: [time, texts], in order, with the breaks in them. */
  rebase(points) {
    const keep = this.times.findIndex((time) => time >= this.liveFrom);
    const live = keep < 0 ? [] : this.times.slice(keep).map((time, index) => [time, this.texts.map((column) => column[keep + index])]);
    const from = this.liveFrom;
    this.clear();
    for (const [time, texts] of points) if (time < from) this.append(time, texts);
    for (const [time, texts] of live) this.append(time, texts);
    this.liveFrom = from;
  }

  /** The least and the greatest text of a column from a time on, by value; nulls without any. */
  extent(column, from) {
    let [low, high] = [-1, -1];
    this.values[column].forEach((value, place) => {
      if (value === null || this.times[place] < from) return;
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

  append(time, texts) {
    this.times.push(time);
    texts.forEach((text, column) => {
      const known = isDecimal(text) ? text : null;
      this.texts[column].push(known);
      this.values[column].push(known === null ? null : Number(known));
    });
  }

  drop() {
    for (const column of this.columns) column.pop();
  }

  get columns() {
    return [this.times, ...this.values, ...this.texts];
  }
}
