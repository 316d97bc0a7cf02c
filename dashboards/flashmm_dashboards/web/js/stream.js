/** The WebSocket side: subscribe, resume after a loss, notice a dead connection. */

import { Door } from "./door.js";

const LOOK_EVERY_MS = 500;
/** So long without a frame, and the page asks; so long without an answer, and the connection counts as lost. */
const QUIET_MS = 1_500;
const PATIENCE_MS = 2_500;
const BACKOFF_MS = [250, 500, 1_000, 2_000, 4_000, 8_000];

/**
 * One connection that comes back by itself.
 * on: { state(name, detail), items(stream, items, snapshot), gap(stream, gap), garbage(count) }
 * States: connecting (the first time), live, lost (and coming back by itself).
 */
export class StreamClient {
  constructor(url, streams, on) {
    this.url = url;
    this.streams = streams;
    this.on = on;
    this.positions = {};
    this.failures = 0;
    this.garbage = 0;
    this.notBefore = 0;
    this.lastHeard = 0;
    this.asked = 0;
    this.socket = null;
    this.timer = 0;
    this.door = new Door(() => this.connect());
  }

  start() {
    this.connect();
    setInterval(() => this.watch(Date.now()), LOOK_EVERY_MS);
    addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
  }

  connect() {
    clearTimeout(this.timer);
    if (!this.failures) this.on.state("connecting");
    const socket = new WebSocket(this.url);
    this.socket = socket;
    this.lastHeard = Date.now();
    this.asked = this.lastHeard;
    socket.addEventListener("open", () => this.opened(socket));
    socket.addEventListener("message", (message) => socket === this.socket && this.heard(message.data));
    socket.addEventListener("close", () => socket === this.socket && this.lost());
  }

  opened(socket) {
    const request = { type: "subscribe", streams: this.streams, resume: this.positions, recent: 200 };
    socket.send(JSON.stringify(request));
  }

  lost() {
    this.socket = null;
    const backoff = BACKOFF_MS[Math.min(this.failures, BACKOFF_MS.length - 1)];
    const wait = Math.max(backoff * (0.75 + Math.random() / 2), this.notBefore - Date.now());
    this.failures += 1;
    this.on.state("lost");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.door.knock(), wait);
  }

  hurry() {
    if (this.socket || !this.failures) return;
    clearTimeout(this.timer);
    this.door.knock();
  }

  /** In a tab in the background this runs once a minute: only an unanswered question tells that nobody is there. */
  watch(now) {
    if (!this.socket) return;
    if (this.asked) {
      if (now - this.asked > PATIENCE_MS) this.giveUp();
    } else if (now - this.lastHeard > QUIET_MS) {
      this.asked = now;
      this.socket.send('{"type":"ping"}');
    }
  }

  giveUp() {
    const silent = this.socket;
    this.lost();
    silent.close();
  }

  heard(text) {
    this.lastHeard = Date.now();
    this.asked = 0;
    const frame = parse(text);
    if (!frame || !this.handle(frame)) this.on.garbage((this.garbage += 1));
  }

  handle(frame) {
    switch (frame.type) {
      case "data":
        return this.data(frame);
      case "subscribed":
        this.failures = 0;
        this.door.listener();
        this.note(frame, frame.recovered);
        this.on.state("live");
        return true;
      case "gap":
        this.note(frame);
        this.on.gap(frame.stream, frame);
        return true;
      case "bye":
        this.notBefore = Date.now() + 1_000 * (Number(frame.retry_after_s) || 0);
        return true;
      case "error":
        return true;
      case "pong":
      case "unsubscribed":
        return true;
      default:
        return false;
    }
  }

  data(frame) {
    const items = Array.isArray(frame.items) ? frame.items.filter((item) => item && typeof item === "object") : null;
    if (!items || !this.streams.includes(frame.stream) || !this.note(frame)) return false;
    this.on.items(frame.stream, items, frame.snapshot === true);
    return true;
  }

  /** A recovered subscription keeps its old place until the missed items have come. */
  note(frame, keep = false) {
    if (typeof frame.epoch !== "string" || !Number.isSafeInteger(frame.offset)) return false;
    if (!keep) this.positions[frame.stream] = { epoch: frame.epoch, offset: frame.offset };
    return true;
  }
}

function parse(text) {
  try {
    const frame = JSON.parse(text);
    return frame && typeof frame === "object" ? frame : null;
  } catch {
    return null;
  }
}
