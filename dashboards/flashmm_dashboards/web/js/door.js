/** Whether the server is there again. A failed WebSocket is a console message each; a worker's question is none. */

export class Door {
  /** opened(): called once after each knock, when the server answers. */
  constructor(opened) {
    this.opened = opened;
    this.waiting = false;
    this.port = null;
  }

  /** Begin to ask; where there are no shared workers the server is taken to be there. */
  knock() {
    if (typeof SharedWorker === "undefined") return this.opened();
    this.waiting = true;
    this.listener().postMessage("knock");
    return undefined;
  }

  listener() {
    if (!this.port) {
      this.port = worker().port;
      this.port.onmessage = () => this.answered();
    }
    return this.port;
  }

  answered() {
    if (!this.waiting) return;
    this.waiting = false;
    this.opened();
  }
}

function worker() {
  return new SharedWorker("/static/js/knock.js", { name: "flashmm" });
}
