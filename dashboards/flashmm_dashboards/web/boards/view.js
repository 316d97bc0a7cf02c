/** A board of Grafana's JSON, drawn from the Prometheus API of the same address: `/boards/<uid>`. */

import { byId, el, setText, show } from "../js/dom.js";
import { made } from "./panels.js";
import { literally, values } from "./query.js";

const REFRESH_MS = 5_000;
const uid = location.pathname.split("/").pop();
const chosen = {};
const visible = new Set();

async function json(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: HTTP ${answer.status}`);
  return answer.json();
}

async function start() {
  const [board, boards] = await Promise.all([json(`/boards/${uid}.json`), json("/boards/index.json")]);
  setText(byId("title"), board.title);
  document.title = `${board.title} · FlashMM`;
  byId("boards").append(...boards.map((each) => el("a", { href: `/boards/${each.uid}`, "aria-current": each.uid === uid && "page" }, each.folder)));
  for (const variable of board.templating?.list ?? []) await pick(variable);
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
    refresh();
  };
  const select = el("select", { onchange, id: variable.name }, el("option", { value: variable.allValue }, "All"), ...options);
  byId("variables").append(el("label", { className: "picker" }, el("span", {}, variable.label), select));
}

let busy = false;

/** Panels in sight, one after another: a board never asks more than it shows. */
async function refresh() {
  if (busy || document.hidden) return;
  busy = true;
  try {
    for (const panel of [...visible]) await panel.refresh(chosen);
    show(byId("trouble"), false);
  } catch (error) {
    complain(error);
  } finally {
    busy = false;
  }
}

function complain(error) {
  setText(byId("trouble"), `The figures can't be read: ${error.message}`);
  show(byId("trouble"), true);
}

start().catch(complain);
