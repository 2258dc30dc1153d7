// Clocks: a band for each, within which the truth lies, over the last minutes.

import { describe, duration, h, s, signed } from "./svg.js";
import { upTo } from "./store.js";

const WIDTH = 520, HEIGHT = 84, SPAN_S = 120, LEFT = 66;
const rows = new Map();

const GOOD = new Set(["truechimer", "compared"]);

export function draw(panel, store, at) {
  const box = panel.querySelector(".rows");
  // Members compare each other's clocks, all with all: what one of them found is enough.
  const observer = store.members.find((number) => ["up", "looking"].includes(store.member(number, at).is)
    && [...store.clocks.values()].some((readings) => readings[0].node === number));
  for (const [name, readings] of store.clocks) {
    const isShown = readings[0].node === undefined || readings[0].node === observer;
    if (!rows.has(name) || !rows.get(name).isConnected) {
      const row = h("div", { class: "clock" }, h("h3", {}, name), h("p", { class: "reading" }), h("p", { class: "alarm" }));
      row.append(s("svg", { role: "img", viewBox: `0 0 ${WIDTH} ${HEIGHT}` }));
      rows.set(name, row);
      box.append(row);
    }
    rows.get(name).hidden = !isShown;
    if (isShown) one(rows.get(name), readings, at);
  }
}

function one(row, readings, at) {
  const end = upTo(readings, at);
  const newest = readings[end - 1];
  if (!newest) return;
  const isKnown = newest.offset_s !== null;
  const words = isKnown ? `${signed(newest.offset_s)} ± ${duration(newest.error_bound_s)}` : "unknown";
  row.querySelector(".reading").textContent = words;
  const wrong = newest.alarms.length ? newest.alarms : GOOD.has(newest.verdict) ? [] : [newest.reason ?? newest.verdict];
  row.querySelector(".alarm").textContent = wrong.length ? `▲ ${wrong.join("; ")}` : "";
  const from = at - SPAN_S;
  const shown = readings.slice(Math.max(0, upTo(readings, from) - 1), end).filter((reading) => reading.offset_s !== null);
  const picture = row.querySelector("svg");
  if (!shown.length) { picture.replaceChildren(); return; }
  const bounds = shown.map((reading) => reading.error_bound_s).sort((a, b) => a - b);
  const usual = Math.min(bounds.at(-1), 8 * bounds[bounds.length >> 1]); // that of a long silence may leave
  const low = Math.min(0, ...shown.map((reading) => reading.offset_s - Math.min(usual, reading.error_bound_s)));
  const high = Math.max(0, ...shown.map((reading) => reading.offset_s + Math.min(usual, reading.error_bound_s)));
  const begin = Math.max(from, Math.min(shown[0].at_s, at - 10));
  const x = (time) => LEFT + (Math.max(0, time - begin) / Math.max(1e-3, at - begin)) * (WIDTH - LEFT - 6);
  const y = (offset) => 8 + ((high - Math.min(Math.max(offset, low), high)) / Math.max(1e-12, high - low)) * (HEIGHT - 16);
  const held = [...shown, { ...shown.at(-1), at_s: at }];
  const path = (value) => held.map((reading) => `${x(reading.at_s).toFixed(1)} ${y(value(reading)).toFixed(1)}`);
  const top = path((reading) => reading.offset_s + reading.error_bound_s);
  const bottom = path((reading) => reading.offset_s - reading.error_bound_s).reverse();
  const label = (value, at) => s("text", { class: "tiny dim end", x: LEFT - 8, y: at }, value === 0 ? "0" : signed(value));
  picture.replaceChildren(
    s("path", { class: "band", d: `M${top.join("L")}L${bottom.join("L")}z` }),
    s("line", { class: "zero", x1: LEFT, x2: WIDTH - 6, y1: y(0), y2: y(0) }),
    s("path", { class: "curve", d: `M${path((reading) => reading.offset_s).join("L")}` }),
    ...(high > 0 ? [label(high, 14)] : []), ...(low < 0 ? [label(low, HEIGHT - 4)] : []),
    ...(y(0) > 24 && y(0) < HEIGHT - 18 ? [label(0, y(0) + 4)] : []));
  describe(picture, words);
}
