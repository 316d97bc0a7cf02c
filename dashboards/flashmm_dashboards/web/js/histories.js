/** The charts' histories: asked for once it is known of what, and again until they are there. */

import { fetchHistory } from "./history.js";

const SETTLE_MS = 60;
const BACKOFF_MS = [1_000, 2_000, 5_000, 15_000, 60_000];
/** Each chart, and what must be known of the selection before its history can be asked for. */
const NEEDS = { pnl: ["currency"], spread: ["venue", "symbol"], inventory: ["venue", "symbol"], model: ["symbol", "model"] };
export const CHARTED = Object.keys(NEEDS);

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

export class Histories {
  /** selection(): what is shown; connected(): whether asking makes sense; said(chart, why not, or ""): how it went. */
  constructor(state, selection, connected, said) {
    Object.assign(this, { state, selection, connected, said });
    this.asked = new Map();
    this.wanted = new Set();
    this.missing = new Set();
    this.settling = 0;
  }

  /** All that is wanted within a moment is asked for once, as soon as it is known whose. */
  want(charts = CHARTED) {
    for (const chart of charts) if (chart in NEEDS) this.wanted.add(chart);
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.askWanted(), SETTLE_MS);
  }

  /** A selection follows another: the charts that it makes others of. */
  moved(before, next) {
    const differs = (name) => next[name] !== before[name];
    const owner = differs("bot") || differs("account");
    this.want(CHARTED.filter((chart) => owner || NEEDS[chart].some(differs)));
  }

  /** The stream is live again: what could not be had before is asked for now. */
  reconnected() {
    this.want([...this.wanted, ...this.missing]);
  }

  askWanted() {
    const at = { ...this.selection() };
    const ready = [...this.wanted].filter((chart) => at.bot && NEEDS[chart].every((name) => at[name]));
    for (const chart of ready) {
      this.wanted.delete(chart);
      this.asked.get(chart)?.abort();
      this.asked.set(chart, new AbortController());
      this.ask(chart, at, this.asked.get(chart).signal);
    }
  }

  /** Until it is there, or nobody wants it any more. Without a connection `reconnected` asks again. */
  async ask(chart, at, signal) {
    for (let failures = 0; ; failures += 1) {
      const failure = await this.once(chart, at, signal);
      if (signal.aborted) return;
      this.said(chart, failure);
      if (!failure) return void this.answered(chart);
      this.missing.add(chart);
      await pause(BACKOFF_MS[Math.min(failures, BACKOFF_MS.length - 1)]);
      if (signal.aborted || !this.connected()) return;
    }
  }

  answered(chart) {
    this.missing.delete(chart);
    this.asked.delete(chart);
  }

  /** Why it failed; "" where it did not. */
  async once(chart, at, signal) {
    const now = Date.now() / 1000;
    try {
      const points = await fetchHistory(chart, at, now - this.state.rangeS, now, signal);
      if (!signal.aborted) this.state.seriesOf(chart, at).rebase(points);
      return "";
    } catch (failure) {
      return failure.message || String(failure);
    }
  }
}
