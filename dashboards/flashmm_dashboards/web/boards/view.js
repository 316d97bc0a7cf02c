/** A board of Grafana's JSON, drawn from the Prometheus API of the same address: `/boards/<uid>`. */

import { byId, el, setText, show } from "../js/dom.js";
import { made } from "./panels.js";
import { literally, values } from "./query.js";

const REFRESH_MS = 5_000;
const uid = location.pathname.split("/").pop();
const chosen = {};
const visible = new Set();
const RANGES = [["15 m", 900], ["1 h", 3_600], ["6 h", 21_600], ["24 h", 86_400], ["7 d", 604_800]];
let seconds = asked();

async function json(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: HTTP ${answer.status}`);
  return answer.json();
}

/** The address remembers range and variables, also from board to board. */
function asked() {
  const wanted = Number(new URLSearchParams(location.search).get("seconds"));
  return RANGES.some(([, each]) => each === wanted) ? wanted : 900;
}

function remember() {
  const kept = new URLSearchParams({ seconds: String(seconds) });
  for (const select of byId("variables").querySelectorAll("select")) if (select.selectedIndex > 0) kept.set(select.id, select.value);
  history.replaceState(null, "", `?${kept}`);
  for (const link of byId("boards").querySelectorAll("[data-uid]")) link.search = kept;
}

function ranges() {
  const buttons = RANGES.map(([name, each]) => el("button", { type: "button", "aria-pressed": String(each === seconds), onclick: () => choose(each) }, name));
  byId("ranges").append(...buttons);
}

function choose(wanted) {
  seconds = wanted;
  [...byId("ranges").children].forEach((button, place) => button.setAttribute("aria-pressed", String(RANGES[place][1] === seconds)));
  remember();
  refresh();
}

async function start() {
  ranges();
  const [board, boards] = await Promise.all([json(`/boards/${uid}.json`), json("/boards/index.json")]);
  setText(byId("title"), board.title);
  document.title = `${board.title} · FlashMM`;
  byId("boards").append(...boards.map((each) => el("a", { href: `/boards/${each.uid}`, "data-uid": each.uid, title: each.title, "aria-current": each.uid === uid && "page" }, each.folder)));
  for (const variable of board.templating?.list ?? []) await pick(variable);
  remember();
  place(board.panels.map(made));
}

function place(panels) {
  const watch = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const panel = panels.find(({ element }) => element === target);
      if (isIntersecting) visible.add(panel);
      else visible.delete(panel);
    }
    refresh();
  });
  byId("panels").append(...panels.map(({ element }) => element));
  for (const { element } of panels) watch.observe(element);
  setInterval(refresh, REFRESH_MS);
}

async function pick(variable) {
  chosen[variable.name] = variable.allValue;
  const found = await values(variable.query.query, chosen);
  const options = found.map((value) => el("option", { value: literally(value) }, value));
  const onchange = ({ target }) => {
    chosen[variable.name] = target.value;
    remember();
    refresh();
  };
  const select = el("select", { onchange, id: variable.name }, el("option", { value: variable.allValue }, "All"), ...options);
  const before = new URLSearchParams(location.search).get(variable.name);
  if (options.some((option) => option.value === before)) chosen[variable.name] = select.value = before;
  byId("variables").append(el("label", { className: "picker" }, el("span", {}, variable.label), select));
}

let busy = false;
let again = false;

/** Panels in sight, one after another: a board never asks more than it shows. */
async function refresh() {
  again = busy;
  if (busy || document.hidden) return;
  busy = true;
  for (const panel of [...visible]) await panel.refresh(chosen, seconds);
  busy = false;
  if (again) refresh();
}

function complain(error) {
  setText(byId("trouble"), `The board can't be shown: ${error.message}`);
  show(byId("trouble"), true);
}

start().catch(complain);
