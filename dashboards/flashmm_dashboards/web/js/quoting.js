/** Whether the bot quotes both sides, since when, and why not. */

import { byId, setText, show } from "./dom.js";
import { clock, NOTHING, span } from "./format.js";

/** What there is to say. sample: the last `spread` item; experiment: the last assignment; since: seconds, or null. */
export function described(sample, experiment, since, nowMs) {
  const assignment = inForce(experiment, nowMs);
  const quoting = Number(sample?.uptime) > 0;
  const off = assignment?.arm === "off";
  const lasting = off && !quoting ? assignment.forS : since === null ? null : Math.max(0, nowMs / 1000 - since);
  return { known: sample !== undefined, quoting, off, assignment, lasting };
}

function inForce(experiment, nowMs) {
  if (!experiment) return null;
  const start = Number(BigInt(experiment.start_ns) / 1_000_000n);
  const end = experiment.planned_end_ns ? Number(BigInt(experiment.planned_end_ns) / 1_000_000n) : Infinity;
  if (nowMs > end + 60_000) return null;
  const { experiment: name, arm } = experiment;
  return { name: String(name), arm: String(arm), start, forS: Math.max(0, (nowMs - start) / 1000), leftS: (end - nowMs) / 1000 };
}

/** past: of a bot that is not heard any more. */
export function drawQuoting(state, past) {
  const { known, quoting, off, assignment, lasting } = state;
  const badge = byId("quoting");
  const time = lasting === null ? "" : ` for ${span(lasting)}`;
  const reason = off ? ", control arm" : "";
  show(badge, known);
  badge.dataset.state = quoting ? "whole" : off ? "pause" : "part";
  const when = past ? "was" : "now";
  setText(byId("quoting-text"), quoting ? (past ? "Was quoting" : "Quoting") : `${past ? "Was not" : "Not"} quoting${reason}`);
  setText(byId("quoting-why"), known ? (quoting ? `${when} quoting${time}` : `${when} off${time}${reason}`) : NOTHING);
  show(byId("arm"), assignment !== null);
  if (assignment) setText(byId("arm"), armText(assignment));
}

function armText({ name, arm, start, forS, leftS }) {
  const what = { on: "on (we quote)", off: "off (control: we do not quote)" }[arm] ?? arm;
  const next = Number.isFinite(leftS) && leftS > 0 ? `, ${span(leftS)} to go` : "";
  return `Experiment “${name}”: arm ${what} since ${clock(start)}, ${span(forS)}${next}.`;
}
