/** Puts the page together: stream → state → board, and the header's controls. */

import { Board } from "./board.js";
import { byId, setText, show } from "./dom.js";
import * as format from "./format.js";
import { State, STREAMS } from "./state.js";
import { StreamClient } from "./stream.js";

const CONNECTION = { connecting: "Connecting", live: "Live", lost: "Reconnecting" };

const state = new State();
const board = new Board(state);

function connection(name) {
  board.connected = name === "live";
  byId("connection").dataset.state = name;
  setText(byId("connection-text"), CONNECTION[name]);
  if (name === "live") board.histories.reconnected();
}

function missed(stream, gap) {
  if (gap.reason === "conflated") return;
  state.restart(stream);
  board.histories.want([stream]);
}

function ignored(count) {
  setText(byId("foot-ignored"), `${count} frames of the stream could not be read and were ignored.`);
  show(byId("foot-ignored"), true);
}

function streamAddress() {
  const address = new URL("/stream", location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}

function tick() {
  setText(byId("clock"), format.clock(Date.now()));
}

function zone() {
  setText(byId("zone-name"), format.inUtc() ? "UTC" : "local");
  setText(byId("foot-zone"), format.zoneName());
  tick();
}

function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    /* storage is switched off: the choice lasts until the page is left */
  }
}

function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  remember("flashmm-theme", root.dataset.theme);
  board.redraw();
}

async function retention() {
  const answer = await fetch("/health");
  const { retention: kept } = await answer.json();
  const cut = kept?.shortened === true;
  show(byId("retention"), cut);
  if (cut) setText(byId("retention"), `Raw points are kept for ${String(kept.days ?? "fewer")} days instead of ${String(kept.target_days ?? 30)}: the size limit was reached first. Raise it, or send fewer metrics.`);
}

byId("theme").addEventListener("click", theme);
byId("zone").addEventListener("click", () => {
  format.setUtc(!format.inUtc());
  zone();
  board.redraw();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => board.redraw());
for (const id of ["endpoint", "endpoint-again"]) setText(byId(id), `${location.hostname || "127.0.0.1"}:4317`);
zone();
setInterval(tick, 1_000);

const stream = new StreamClient(streamAddress(), STREAMS, {
  state: connection,
  items: (stream, items, snapshot) => state.apply(stream, items, snapshot, Date.now()),
  gap: missed,
  garbage: ignored,
});
stream.start();
board.start();
const retained = () => retention().catch(() => show(byId("retention"), false));
retained();
setInterval(retained, 300_000);

/** For whoever looks at the page from its console, and for its tests. */
window.flashmm = { state, board, stream };
