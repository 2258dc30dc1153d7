// Messages on their way: time to the right, a row for each member, lines from sending to delivery.

import { head } from "./lanes.js";
import { duration, fill, many, paint, s } from "./svg.js";
import { upTo } from "./store.js";

const ROW = 46, LEFT = 46, TOP = 14, AXIS = 22;
const SECONDS_WIDE = 4; // of watching
const STILL = 24; // messages are in view when time stands
const LINES = 80;

export function draw(panel, store, at, transport) {
  const picture = panel.querySelector("svg");
  const width = Math.max(320, picture.parentElement.clientWidth - 32);
  const members = store.members;
  const height = TOP + ROW * members.length + AXIS;
  const span = width_s(store, at, transport);
  const from = at - span;
  const x = (time) => LEFT + ((time - from) / span) * (width - LEFT - 14);
  const rows = new Map(members.map((number, row) => [number, TOP + row * ROW + 18]));
  const drawn = [];
  for (const number of members) drawn.push(...life(store, number, rows.get(number), from, at, x));
  const { messages, every } = recent(store, from, at);
  for (const message of messages) drawn.push(...lines(message, rows, from, at, x));
  drawn.push(s("rect", { class: "cover", x: 0, y: 0, width: LEFT - 2, height }));
  drawn.push(s("line", { class: "now", x1: x(at), x2: x(at), y1: 2, y2: height - AXIS }));
  for (const [number, y] of rows) drawn.push(...head(number, y));
  drawn.push(...axis(from, at, x, height));
  if (every > 1) drawn.push(s("text", { class: "end dim tiny", x: width - 20, y: 10 }, `1 in ${every} is drawn`));
  paint(picture, { width, height }, drawn, `${many(messages.length, "message")} in the last ${duration(span)}`);
}

// How much time is in view: as much as passes in some seconds, and less of it when it stands still.
function width_s(store, at, transport) {
  const playing = SECONDS_WIDE * (transport.world ? 2 * (transport.pace || 0.05) : transport.speed);
  if (transport.isPlaying || transport.world) return playing;
  const { sent } = store;
  const begin = sent[Math.max(0, upTo(sent, at, "sent_s") - STILL)];
  return begin && begin.sent_s < at ? Math.min(playing, (at - begin.sent_s) * 1.05) : playing;
}

// Messages that have to do with that time; where they are too many, some of them evenly.
function recent(store, from, at) {
  const end = upTo(store.delivered, at, "first_s");
  const begin = Math.max(0, upTo(store.delivered, from, "first_s") - LINES);
  const every = Math.max(1, Math.ceil((end - begin) / (3 * LINES)));
  const found = new Set(store.delivered.slice(begin, end).filter((_, index) => (begin + index) % every === 0));
  const coming = upTo(store.sent, at, "sent_s");
  for (const message of store.sent.slice(Math.max(0, coming - LINES), coming)) {
    if (message.first_s === undefined || message.first_s > at) found.add(message);
  }
  const isInView = (message) => [...message.got.values()].some((got) => got >= from) || message.got.size === 0;
  return { messages: [...found].filter(isInView), every };
}

function lines(message, rows, from, at, x) {
  const found = [];
  const colour = fill(message.origin);
  const start = rows.get(message.origin);
  const sent = message.sent_s;
  for (const [number, got] of message.got) {
    const y = rows.get(number);
    if (y === undefined) continue;
    if (sent !== undefined && sent <= at && number !== message.origin) {
      const share = got <= at ? 1 : (at - sent) / (got - sent);
      const toX = sent + (got - sent) * share, toY = start + (y - start) * share;
      found.push(s("line", { class: `way ${message.service}`, stroke: colour, x1: x(sent), y1: start, x2: x(toX), y2: toY }));
    }
    if (got <= at) {
      const isSafe = message.service === "safe";
      found.push(s(isSafe ? "rect" : "circle", isSafe
        ? { class: "dot", fill: colour, x: x(got) - 4.5, y: y - 4.5, width: 9, height: 9 }
        : { class: "dot", fill: colour, cx: x(got), cy: y, r: 4 },
        s("title", {}, `${message.name} delivered by ${number}, ${message.service}`)));
    }
  }
  if (sent !== undefined && sent <= at) {
    found.push(s("path", { class: "sent", stroke: colour, d: `M${x(sent)} ${start - 9}v18` }));
  }
  return found;
}

// A row's ground: on which configuration it was when, and when it did not run.
function life(store, number, y, from, at, x) {
  const all = store.nodes.get(number).life;
  const first = Math.max(0, upTo(all, from) - 1);
  const stretch = all.slice(first, upTo(all, at));
  const found = [];
  stretch.forEach((one, index) => {
    const begin = Math.max(from, one.at_s), end = index + 1 < stretch.length ? stretch[index + 1].at_s : at;
    const kind = one.kind === "end" ? "dead" : one.kind === "boot" ? "boot" : "alive";
    found.push(s("rect", { class: `life ${kind}`, x: x(begin), y: y - 14, width: Math.max(0.5, x(end) - x(begin)), height: 28 }));
    if (one.at_s < from) return;
    if (one.kind === "change") {
      found.push(s("path", { class: "turn", d: `M${x(begin)} ${y - 18}v36M${x(begin)} ${y - 18}l7 4-7 4z` }, s("title", {}, `{${one.members.join(",")}}: ${one.reason}`)));
      if (x(end) - x(begin) > 60) found.push(s("text", { class: "tiny", x: x(begin) + 5, y: y + 25 }, `{${one.members.join(",")}}`));
    } else if (one.kind === "end") {
      found.push(s("text", { class: "tiny strong bad", x: x(begin) + 4, y: y + 4 }, one.how === "leave" ? "left" : one.how === "crash" ? "✕ killed" : "✕ silent"));
    }
  });
  if (!stretch.length) found.push(s("rect", { class: "life dead", x: x(from), y: y - 14, width: Math.max(0, x(at) - x(from)), height: 28 }));
  return found;
}

function axis(from, at, x, height) {
  const span = at - from;
  const step = [1, 2, 5, 10].map((n) => n * 10 ** Math.floor(Math.log10(span / 4))).find((size) => span / size <= 6);
  const found = [];
  for (let tick = Math.ceil((from - at) / step) * step; tick <= 1e-12; tick += step) {
    const label = Math.abs(tick) < step / 2 ? "now" : `−${duration(Math.abs(tick))}`;
    found.push(s("line", { class: "tick", x1: x(at + tick), x2: x(at + tick), y1: height - AXIS, y2: height - AXIS + 4 }));
    found.push(s("text", { class: "middle dim tiny", x: x(at + tick), y: height - 5 }, label));
  }
  return found;
}
