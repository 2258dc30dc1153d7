// What each member was told, in order: a row for each, a tile for each message, a bar for each
// configuration. Rows that agree have the same tiles in the same columns.

import { glided, judged } from "./lanes.js";
import { fill, ink, s } from "./svg.js";

const TILE = 38, BAR = 20, ROW = 38, LEFT = 44, TOP = 34;
let glide = null, moves = false;

export const has = (store) => store.plays && store.columns.size > 0;
export const isGliding = () => moves;

export function draw(panel, store, at, transport) {
  const picture = panel.querySelector("svg");
  const width = Math.max(320, picture.parentElement.clientWidth - 32);
  const members = [...store.how.keys()].sort((a, b) => a - b);
  const height = TOP + ROW * members.length + 6;
  const shown = store.order.filter((column) => column.at_s <= at && !column.life);
  const lefts = [];
  let x = 0;
  const rows = new Map(members.map((number, row) => [number, rowOf(store, number, shown, at, row)]));
  const lacks = lacking(store, members, at, rows);
  const wrong = [...rows.values()].filter((row) => row.wrong.size).map((row) => row.number);
  const verdict = lacks ? `✗ ${lacks}` : wrong.length ? `✗ ${wrong.join(", ")} differ${wrong.length > 1 ? "" : "s"}` : shown.some((column) => column.message) ? "✓ same order" : "";
  for (const column of shown) {
    lefts.push(x);
    x += column.message ? TILE : BAR;
  }
  const wanted = Math.max(0, x - (width - LEFT - 8));
  glide = glided(glide, wanted, width, 0.5);
  moves = glide !== wanted;
  const drawn = members.map((_, row) => s("line", { class: "lane", x1: LEFT, x2: width - 4, y1: TOP + row * ROW + 16, y2: TOP + row * ROW + 16 }));
  const ends = [-Infinity, -Infinity]; // of labels, on two levels
  shown.forEach((column, index) => {
    const left = LEFT + lefts[index] - glide;
    if (left < LEFT - TILE) return;
    const isChosen = column.message && column.message.name === transport.message;
    if (isChosen) drawn.push(s("rect", { class: "chosen-column", x: left - 2, y: TOP - 6, width: TILE, height: ROW * members.length + 6, rx: 8 }));
    if (column.change?.is_regular) drawn.push(...label(column.change.members, left, ends, width));
    for (const row of rows.values()) drawn.push(...cell(store, column, row, left, at, transport));
  });
  drawn.push(s("rect", { class: "cover", x: 0, y: 0, width: LEFT - 4, height }));
  members.forEach((number, row) => {
    const y = TOP + row * ROW + 16, isGone = store.howAt(number, at)?.state === "down";
    drawn.push(s("circle", { class: isGone ? "node gone" : "", cx: 17, cy: y, r: 13, fill: isGone ? null : fill(number) }));
    drawn.push(s("text", { class: "middle strong", x: 17, y: y + 4.5, fill: isGone ? null : ink(number) }, isGone ? "✕" : number));
  });
  const count = shown.filter((column) => column.message).length;
  judged(panel, { width, height }, drawn, { count, verdict, isBad: wrong.length > 0 });
  picture.onclick = (event) => choose(panel, event);
}

function label(members, left, ends, width) {
  const wide = 12 + 11 * members.length;
  const x = Math.max(LEFT, Math.min(left, width - wide));
  const level = ends.findIndex((end) => end < x);
  if (level < 0) return [];
  ends[level] = x + wide;
  return [s("text", { class: "small strong view-label", x, y: level ? 12 : 26 }, `{${members.join(",")}}`)];
}

// In which column stands what a member was told: in its own, unless it was told in another order.
function rowOf(store, number, shown, at, place) {
  const told = (store.told.get(number) ?? []).filter((column) => column.got.get(number) <= at && !column.life);
  const has = new Set(told);
  const columns = shown.filter((column) => has.has(column));
  const stands = new Map(columns.map((column, index) => [column, told[index]]));
  const wrong = new Set(columns.filter((column) => stands.get(column) !== column));
  return { number, y: TOP + place * ROW, stands, wrong };
}

// Who goes from one configuration to the next with others, and lacks what they have delivered.
function lacking(store, members, at, rows) {
  const between = new Map(); // the two configurations: what was delivered, and by whom
  for (const number of members) {
    let from = null, here = [];
    for (const column of store.told.get(number) ?? []) {
      if (column.got.get(number) > at) break;
      if (column.message) here.push(column);
      if (column.life) from = null;
      if (!column.change) continue;
      const key = `${from?.key} ${column.key}`;
      if (from) between.set(key, [...(between.get(key) ?? []), { number, here: new Set(here) }]);
      from = column;
      here = [];
    }
  }
  let found = "";
  for (const passages of between.values()) {
    for (const column of new Set(passages.flatMap(({ here }) => [...here]))) {
      for (const { number, here } of passages) {
        if (here.has(column)) continue;
        rows.get(number).wrong.add(column);
        found = `${number} lacks ${column.message.label}`;
      }
    }
  }
  return found;
}

function cell(store, column, { number, y, stands, wrong }, left, at) {
  const there = stands.get(column);
  const found = [];
  if (there?.change) {
    const { members, is_regular, reason } = there.change;
    const words = `${is_regular ? "configuration" : "transitional configuration"} {${members.join(", ")}}${is_regular ? `: ${reason}` : ""}`;
    found.push(s("rect", { class: `view ${is_regular ? "regular" : "transitional"}`, x: left + 4, y: y - 1, width: BAR - 10, height: 34, rx: 4 }, s("title", {}, words)));
  } else if (there) {
    const { message } = there;
    found.push(s("g", { class: `tile ${message.service}`, transform: `translate(${left} ${y + 2})`, "data-message": message.name },
      s("rect", { width: 34, height: 28, rx: 6, fill: fill(message.origin) }, s("title", {}, `${message.label}, sent by ${message.origin}, ${message.service}`)),
      message.service === "safe" ? s("rect", { class: "inner", x: 3, y: 3, width: 28, height: 22, rx: 3.5, stroke: ink(message.origin) }) : null,
      s("text", { class: "middle small strong", x: 17, y: 18.5, fill: ink(message.origin) }, message.label)));
  } else if (column.message) {
    const why = store.whyAt(column.message.name, number, at);
    const kind = why?.state ?? "absent";
    found.push(s("g", { class: `tile open ${kind}`, transform: `translate(${left} ${y + 2})`, "data-message": column.message.name },
      kind === "absent" || kind === "never" ? s("rect", { class: "hit", width: 34, height: 28 }) : s("rect", { x: 1, y: 1, width: 32, height: 26, rx: 6 }),
      kind === "waits" ? s("text", { class: "middle small", x: 17, y: 18.5 }, column.message.label) : null,
      kind === "absent" ? s("path", { d: "M13 14h8" }) : kind === "never" ? s("path", { d: "M12 9l10 10m0-10l-10 10" }) : null,
      s("title", {}, why?.text ?? "was not in that configuration")));
  }
  if (wrong.has(column)) found.push(s("rect", { class: "wrong", x: left - 2, y: y - 1, width: (column.message ? TILE : BAR) - 1, height: 34, rx: 8 }));
  return found;
}

function choose(panel, event) {
  const name = event.target.closest("[data-message]")?.dataset.message;
  if (name) panel.dispatchEvent(new CustomEvent("choose", { bubbles: true, detail: name }));
}
