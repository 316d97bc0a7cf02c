/** All boards: whose each is, what it shows. Also what an address of no board answers with. */

import { byId, el, setText, show } from "../js/dom.js";

async function start() {
  const asked = location.pathname.replace(/^\/boards\/?/, "");
  if (asked) complain(`There is no board “${readable(asked)}”. These are the boards:`);
  const answer = await fetch("/boards/index.json");
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  byId("list").append(...(await answer.json()).map(entry));
}

function readable(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function entry({ uid, title, folder, description }) {
  return el("li", {}, el("a", { href: `/boards/${uid}` }, el("strong", {}, title), el("span", { className: "chip" }, folder), el("span", { className: "about" }, description)));
}

function complain(text) {
  setText(byId("trouble"), text);
  show(byId("trouble"), true);
}

start().catch((error) => complain(`The boards can't be listed: ${error.message}`));
