// The order: a column for each message, a row for each member, a tile where it was delivered.

import { glided, head, judged } from "./lanes.js";
import { fill, ink, s } from "./svg.js";
import { upTo } from "./store.js";

const TILE = 26, ROW = 32, LEFT = 46, TOP = 26;
let scrolled = null;
let glides = false;

// Whether it moves although time stands.
export const isGliding = () => glides;

export function draw(panel, store, at) {
  const picture = panel.querySelector("svg");
  const width = Math.max(320, picture.parentElement.clientWidth - 32);
  const members = store.members;
  const height = TOP + ROW * members.length + 4;
  const fit = Math.floor((width - LEFT - 8) / TILE);
  const end = upTo(store.delivered, at, "first_s");
  scrolled = glided(scrolled, end, fit, 0.01);
  glides = scrolled !== end;
  const first = Math.max(0, Math.floor(Math.min(scrolled, end)) - fit);
  const columns = store.delivered.slice(first, end);
  const shift = scrolled > fit ? scrolled - fit : 0;
  const x = (index) => LEFT + (first + index - shift) * TILE;
  const drawn = [];
  members.forEach((number, row) => {
    const y = TOP + row * ROW;
    drawn.push(s("line", { class: "lane", x1: LEFT, x2: width - 4, y1: y + 12, y2: y + 12 }));
  });
  const seen = new Set();
  let labelled = -Infinity;
  columns.forEach((message, index) => {
    if (!seen.has(message.ring)) {
      seen.add(message.ring);
      const left = x(index) - 2;
      const ring = store.changes.find((change) => change.ring === message.ring);
      if (ring && left >= LEFT - 2) {
        drawn.push(s("line", { class: "border", x1: left, x2: left, y1: TOP - 8, y2: height - 6 }));
        if (left - labelled > 70) {
          labelled = left;
          drawn.push(s("text", { class: "small strong", x: left + 3, y: 13 }, `{${ring.members.join(",")}}`));
        }
      }
    }
    members.forEach((number, row) => {
      const tile = cell(store, message, number, at);
      if (tile) {
        tile.setAttribute("transform", `translate(${x(index)} ${TOP + row * ROW})`);
        drawn.push(tile);
      }
    });
  });
  // Over what glides out to the left.
  drawn.push(s("rect", { class: "cover", x: 0, y: 0, width: LEFT - 2, height }));
  members.forEach((number, row) => drawn.push(...head(number, TOP + row * ROW + 12)));
  const wrong = members.filter((number) => !isInOrder(columns, number, at));
  const verdict = wrong.length ? `✗ ${wrong.join(", ")} differ` : columns.length ? "✓ same order" : "";
  judged(panel, { width, height }, drawn, { count: columns.length, verdict, isBad: wrong.length > 0 });
}

function cell(store, message, number, at) {
  const got = message.got.get(number);
  if (got !== undefined && got <= at) {
    const title = `${message.name}, sent by ${message.origin}, ${message.service}`;
    return s("g", { class: `tile ${message.service}` },
      s("rect", { width: 22, height: 24, rx: 5, fill: fill(message.origin) }, s("title", {}, title)),
      message.service === "safe"
        ? s("rect", { class: "inner", x: 2.5, y: 2.5, width: 17, height: 19, rx: 3, stroke: ink(message.origin) }) : null,
      s("text", { class: "middle small strong", x: 11, y: 16.5, fill: ink(message.origin) }, message.origin));
  }
  if (isOn(store, message, number, at)) {
    return s("g", { class: "tile coming" }, s("rect", { x: 1, y: 1, width: 20, height: 22, rx: 5 }));
  }
  return s("g", { class: "tile absent" }, s("path", { d: "M7 12h8" }));
}

// Whether a member that has not delivered it is on the ring of a message, and may do so yet.
function isOn(store, message, number, at) {
  const ring = store.changes.find((change) => change.ring === message.ring);
  if (!ring || !ring.members.includes(number)) return false;
  const member = store.member(number, at);
  return member.configuration === ring || member.is === "unknown";
}

function isInOrder(columns, number, at) {
  let before = -Infinity;
  for (const message of columns) {
    const got = message.got.get(number);
    if (got === undefined || got > at) continue;
    if (got < before) return false;
    before = got;
  }
  return true;
}
