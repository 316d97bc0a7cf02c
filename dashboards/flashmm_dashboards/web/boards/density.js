/** A histogram over time as cells: time to the right, values upwards on a logarithmic scale, darker where more. */

import { minute } from "../js/format.js";

const LEFT = 64;
const BOTTOM = 24;
const STEPS = [1, 2, 5];

/** Paint the cells with their axes; write(value): a value as text. Returns the scale in words. */
export function drawCells(canvas, cells, [from, to], step, write) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const pen = sized(canvas, width, height);
  const low = Math.min(...cells.map((cell) => cell.low));
  const high = Math.max(...cells.map((cell) => cell.high));
  const most = Math.max(...cells.map((cell) => cell.count));
  const x = (at) => LEFT + ((at - from) / (to - from)) * (width - LEFT);
  const y = (value) => (height - BOTTOM) * (1 - Math.log(value / low) / Math.log(high / low));
  const colour = (name) => getComputedStyle(canvas).getPropertyValue(name);
  values(pen, low, high, y, write, colour, width);
  times(pen, from, to, x, height, colour);
  pen.fillStyle = colour("--s0");
  for (const cell of cells) {
    pen.globalAlpha = 0.12 + 0.88 * Math.sqrt(cell.count / most);
    const left = Math.max(LEFT, x(cell.at - step));
    pen.fillRect(left, y(cell.high), Math.max(1, x(cell.at) - left), Math.max(1, y(cell.low) - y(cell.high)));
  }
  return `from ${write(low)} at the bottom to ${write(high)} at the top, logarithmic`;
}

function sized(canvas, width, height) {
  canvas.width = width * devicePixelRatio;
  canvas.height = height * devicePixelRatio;
  const pen = canvas.getContext("2d");
  pen.scale(devicePixelRatio, devicePixelRatio);
  pen.font = "11px Inter, system-ui, sans-serif";
  return pen;
}

/** 1, 2, 5, 10, … as far as they lie within, and leave room for each other. */
function values(pen, low, high, y, write, colour, width) {
  let last = Infinity;
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    for (const value of STEPS.map((each) => each * 10 ** power).filter((each) => each >= low && each <= high)) {
      if (last - y(value) < 22) continue;
      last = y(value);
      pen.fillStyle = colour("--grid");
      pen.fillRect(LEFT, last, width - LEFT, 1);
      pen.fillStyle = colour("--muted");
      pen.textAlign = "right";
      pen.fillText(write(value), LEFT - 8, Math.max(10, last + 4));
    }
  }
}

function times(pen, from, to, x, height, colour) {
  const every = [60, 300, 900, 3_600, 14_400, 86_400].find((each) => (to - from) / each <= 6) ?? 172_800;
  pen.fillStyle = colour("--muted");
  pen.textAlign = "center";
  for (let at = Math.ceil(from / every) * every; at <= to; at += every) if (x(at) > LEFT + 20) pen.fillText(minute(at * 1000), x(at), height - 6);
}
