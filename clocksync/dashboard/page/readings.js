// Readings: a dot for each value on one scale, its bound as a band, the truth as a tick.

import { digits, duration, fill, paint, s } from "./svg.js";
import { upTo } from "./store.js";

const RIGHT = 112, ROW = 40, AXIS = 30, GAP = 14;
const TRAIL = 14;

export const has = (store) => store.stage.readings.size > 0;

export function draw(panel, store, at) {
  const picture = panel.querySelector("svg") ?? panel.appendChild(s("svg", { role: "img" }));
  const width = Math.max(420, (picture.parentElement.clientWidth || 800) - 32);
  const lanes = new Map(store.stage.lanesAt(at).map((lane) => [lane.lane, lane]));
  const rows = [...store.stage.readings.values()].map((list) => latest(list, at))
    .filter((found) => found && lanes.has(found.now.lane));
  const units = new Map();
  for (const row of rows) {
    if (!units.has(row.now.unit)) units.set(row.now.unit, []);
    units.get(row.now.unit).push(row);
  }
  const left = 40 + Math.max(...rows.map(({ now }) => now.name.length), 4) * 6.8;
  const drawn = [];
  let top = 8;
  for (const [unit, group] of units) {
    group.sort((a, b) => a.now.lane - b.now.lane);
    drawn.push(...scaled(unit, group, top, { left, width }));
    top += ROW * group.length + AXIS + GAP;
  }
  picture.classList.add("readings");
  const words = rows.map(({ now }) => `${now.name}: ${shown(now)}${now.bound === null ? "" : ` ± ${size(now.bound, now.unit)}`}`);
  paint(picture, { width, height: top }, drawn, words.join("; "));
}

function latest(list, at) {
  const end = upTo(list, at);
  if (!end) return null;
  const trail = [];
  for (let index = end - 2; index >= 0 && trail.length < TRAIL; index -= 1) {
    const { value } = list[index];
    if (value === null) break;
    const before = trail.at(-1) ?? list[end - 1].value;
    if (before !== null && value !== before) trail.push(value);
  }
  return { now: list[end - 1], trail };
}

// A bound in the unit that suits it: seven milliseconds are no minutes.
const SECONDS = { min: 60, s: 1, ms: 1e-3, "µs": 1e-6 };
const size = (value, unit) => (SECONDS[unit] ? duration(value * SECONDS[unit]) : `${digits(value)} ${unit}`);

const shown = (now) => now.text ?? (now.value === null ? "unknown" : number(now.value));
const number = (value) => (value < 0 ? `−${digits(-value)}` : value > 0 ? `+${digits(value)}` : "0");

function scaled(unit, group, top, { left, width }) {
  const inner = width - left - RIGHT;
  const { low, high, step } = range(group, Math.max(2, inner / 70));
  const bottom = top + ROW * group.length;
  const x = (value) => left + ((Math.min(Math.max(value, low), high) - low) / (high - low)) * inner;
  const found = [];
  for (let index = Math.ceil(low / step - 1e-9); index * step <= high + step * 1e-9; index += 1) {
    const value = index * step;
    found.push(s("line", { class: value === 0 ? "grid zero-line" : "grid", x1: x(value), x2: x(value), y1: top, y2: bottom + 5 }));
    found.push(s("text", { class: "tiny dim middle", x: x(value), y: bottom + 19 }, `${number(+value.toPrecision(6))}`.replace(/\.0+$/, "")));
  }
  found.push(s("text", { class: "tiny dim", x: left + inner + 22, y: bottom + 19 }, unit));
  group.forEach((row, index) => found.push(...line(row, top + ROW * (index + 0.5), { x, low, high, width })));
  return found;
}

function line({ now, trail }, y, { x, low, high, width }) {
  const colour = fill(now.lane), found = [
    s("circle", { cx: 12, cy: y, r: 7, fill: colour }),
    s("text", { class: "small", x: 26, y: y + 4.5 }, now.name),
    s("line", { class: "rail thin", x1: x(low), x2: x(high), y1: y, y2: y }),
  ];
  if (now.value !== null) {
    if (now.bound !== null) {
      const left = x(now.value - now.bound), right = Math.max(left + 2, x(now.value + now.bound));
      found.push(s("rect", { class: "hold", x: left, y: y - 11, width: right - left, height: 22, rx: 4, fill: colour, stroke: colour }));
      if (now.value - now.bound < low) found.push(s("path", { class: "beyond", d: `M${left + 7} ${y - 5}l-6 5 6 5` }));
      if (now.value + now.bound > high) found.push(s("path", { class: "beyond", d: `M${right - 7} ${y - 5}l6 5 -6 5` }));
    }
    trail.forEach((value, age) => found.push(
      s("circle", { class: "trail", cx: x(value), cy: y, r: 3, fill: colour, opacity: (0.5 * (TRAIL - age)) / TRAIL })));
  }
  if (now.truth !== null) found.push(s("path", { class: "truth", d: `M${x(now.truth)} ${y - 15}v30` }));
  if (now.value !== null) found.push(s("circle", { class: "value", cx: x(now.value), cy: y, r: 6.5, fill: colour }));
  found.push(s("text", { class: "strong", x: width - RIGHT + 14, y: y + (now.bound ? -1 : 5) }, shown(now)));
  if (now.bound) found.push(s("text", { class: "tiny dim", x: width - RIGHT + 14, y: y + 14 }, `± ${size(now.bound, now.unit)}`));
  return found;
}

// The scale holds all values and truths, and bounds as far as they do not squeeze these together;
// in whole steps, so that it does not creep.
function range(group, most) {
  const values = group.flatMap(({ now, trail }) => [now.value, now.truth, ...trail]).filter((value) => value !== null);
  if (!values.length) return { low: -1, high: 1, step: 1 };
  let low = Math.min(...values), high = Math.max(...values);
  const spread = Math.max(high - low, Math.abs(high) * 0.1, 1e-6);
  for (const { now } of group) {
    if (now.value === null || now.bound === null) continue;
    low = Math.min(low, Math.max(now.value - now.bound, low - spread / 2));
    high = Math.max(high, Math.min(now.value + now.bound, high + spread / 2));
  }
  const wide = Math.max(high - low, spread);
  const least = (1.4 * wide) / Math.min(most, 10);
  const step = [1, 2, 5, 10].map((n) => n * 10 ** Math.floor(Math.log10(least))).find((size) => size >= least);
  return { low: Math.floor(low / step - 0.2) * step, high: Math.ceil(high / step + 0.2) * step, step };
}
