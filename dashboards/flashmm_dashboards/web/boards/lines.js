/** A panel of log lines: those that this program keeps itself, by `/api/logs`. */

import { el } from "../js/dom.js";
import { dayClock } from "../js/format.js";
import { logLine } from "../js/trace.js";
import { only } from "./query.js";

const LINES_MAX = 100;
const NONE = "None here in this time range. Lines that bots send to a Collector go on to its Loki, and are read in Grafana.";

/** `service.name` of what `flashmm doctor` sends. */
const PROBE = "doctor";

/** The latest lines of the range, of the chosen bot where one is chosen. */
export function logLines(_, body) {
  return async (chosen, seconds) => {
    const bot = only(chosen.bot);
    const { logs: all, next, sorry } = await ask({ start: `${seconds}s`, limit: LINES_MAX, ...(bot ? { bot } : {}) });
    const logs = all?.filter((line) => line.service !== PROBE);
    const rest = next ? [el("p", { className: "about" }, `The latest ${LINES_MAX}.`)] : [];
    const none = el("p", { className: "nothing" }, sorry ?? NONE);
    body.replaceChildren(...(logs?.length ? [...rest, el("div", { className: "life" }, ...logs.flatMap(row))] : [none]));
  };
}

/** { logs, next }, or { sorry: why there can be none }. Throws an Error that says what the server said. */
async function ask(parameters) {
  const answer = await fetch(`/api/logs?${new URLSearchParams(parameters)}`);
  const found = await answer.json();
  if (answer.ok) return found;
  if (answer.status === 501) return { sorry: found.error.message };
  throw new Error(String(found.error?.message ?? `HTTP ${answer.status}`));
}

function row(line) {
  const service = el("span", { className: "dim" }, ` ${line.service} `);
  const link = el("a", { href: `/?trace=${line.trace_id}`, target: "_blank", rel: "noopener" }, "trace");
  return logLine(line, dayClock, service, ...(line.trace_id ? [link] : []));
}
