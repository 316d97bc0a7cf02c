/* A shared worker: asks for the server's life sign until it answers, and tells every page that waits. */

const EVERY_MS = [250, 500, 1_000, 2_000, 3_000];
const ANSWER_MS = 2_000;

const waiting = new Set();
let asking = false;

async function alive() {
  try {
    await fetch("/livez", { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
    return true;
  } catch {
    return false;
  }
}

async function ask() {
  if (asking) return;
  asking = true;
  for (let tries = 0; !(await alive()); tries += 1) {
    await new Promise((done) => setTimeout(done, EVERY_MS[Math.min(tries, EVERY_MS.length - 1)]));
  }
  asking = false;
  for (const port of waiting) port.postMessage("alive");
  waiting.clear();
}

self.onconnect = ({ ports: [port] }) => {
  port.onmessage = () => {
    waiting.add(port);
    ask();
  };
};
