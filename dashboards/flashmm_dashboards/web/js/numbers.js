/** A chart's numbers as a table, for whoever doesn't see the chart. Made when it is opened. */

import { byId, el } from "./dom.js";
import { dayClock, NOTHING } from "./format.js";

const ROWS_MAX = 30;

/** columns: [title, write(text)] for each; series(): the Series drawn; window(): seconds from and to. */
export function numbers(name, columns, series, window) {
  const box = byId(`${name}-numbers`);
  box.addEventListener("toggle", () => {
    box.querySelector(".scroll")?.remove();
    if (box.open) box.append(scrolled(table(columns, rowsOf(series(), window()))));
  });
}

function scrolled(content) {
  return el("div", { className: "scroll", tabindex: "0" }, content);
}

/** Newest first, evenly chosen from those in the window. */
function rowsOf(series, [from]) {
  const first = series.times.findIndex((time) => time >= from);
  const count = first < 0 ? 0 : series.length - first;
  const step = Math.max(1, Math.ceil(count / ROWS_MAX));
  const places = [];
  for (let place = series.length - 1; count && place >= first; place -= step) places.push(place);
  return places.map((place) => [series.times[place], series.texts.map((column) => column[place])]);
}

function table(columns, rows) {
  const head = el("tr", {}, el("th", { scope: "col" }, "Time"), ...columns.map(([title]) => el("th", { scope: "col", className: "num" }, title)));
  const lines = rows.map(([time, texts]) =>
    el("tr", {}, el("td", { className: "dim" }, dayClock(time * 1000)), ...columns.map(([, write], place) => el("td", { className: "num" }, texts[place] === null ? NOTHING : write(texts[place])))));
  return el("table", {}, el("thead", {}, head), el("tbody", {}, ...lines));
}
