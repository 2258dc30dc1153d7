// A space-time picture: time to the right, a lane for each process, arrows for messages.
// An arrow that has not come yet by the time that is shown ends where it is on its way.

import { describe, duration, fill, ink, many, s } from "./svg.js";
import { upTo } from "./store.js";

const RIGHT = 46, TOP = 26, AXIS = 30;
const USUAL = 960; // px for what is to be in view; of less room, less time is shown
const ROWS = { 1: 120, 2: 120, 3: 118, 4: 104, 5: 92 };
const LATEST = 400; // arrows and marks that are looked at
const LONG_S = 30; // an arrow that began so many views ago is not looked for
const LETTER = 7; // px, about
const MARGIN = 0.03; // of the view, before the beginning
const WITHIN = [0.5, 0.4, 0.6, 0.3, 0.67]; // where labels may be, between two lanes

export const has = (store) => store.stage.view_s !== null;

export function draw(panel, store, at, transport) {
  const picture = panel.querySelector("svg") ?? panel.appendChild(s("svg", { role: "img" }));
  const stage = store.stage;
  const lanes = stage.lanesAt(at);
  const width = Math.max(420, (picture.parentElement.clientWidth || 800) - 32);
  const row = ROWS[lanes.length] ?? 80;
  const height = TOP + row * lanes.length + AXIS;
  const left = 62 + Math.max(...lanes.flatMap(({ name }) => lines(name)).map((text) => text.length), 3) * 8;
  const inner = width - left - RIGHT;
  const span = stage.view_s * Math.min(1, Math.max(0.4, inner / USUAL));
  const from = Math.max(store.begin - MARGIN * span, at - span);
  const x = (time) => left + ((time - from) / span) * inner;
  const y = new Map(lanes.map(({ lane }, index) => [lane, TOP + row * (index + 0.5)]));
  const view = { stage, at, from, span, x, y, row, width, left, inner, scale: inner / span };
  const arrows = inView(stage.arrows, view).filter((arrow) => y.has(arrow.from) && y.has(arrow.to));
  const marks = chosen(inView(stage.marks, view)).filter((mark) => y.has(mark.lane));
  picture.replaceChildren(
    ...axis(view, height),
    ...lanes.flatMap((lane) => track(lane, view)),
    ...spans(view, marks),
    ...marks.filter((mark) => mark.tone === "tick").map((mark) => tick(mark, view)),
    ...arrows.map((arrow) => way(arrow, view)),
    ...points(marks.filter((mark) => mark.tone !== "tick"), view),
    ...labels(arrows, view),
    s("rect", { class: "cover", x: 0, y: 0, width: left - 12, height: height - AXIS }),
    ...lanes.map((lane) => head(lane, y.get(lane.lane))),
  );
  picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
  picture.setAttribute("height", height);
  picture.classList.add("spacetime");
  listen(picture, { marks, view });
  describe(picture, words(lanes, arrows, at));
}

const inView = (list, { at, from, span }) => {
  const end = upTo(list, at);
  const begin = Math.max(upTo(list, from - LONG_S * span), end - LATEST);
  return list.slice(begin, end).filter((one) => (one.got_s ?? one.lost_s ?? one.due_s ?? one.at_s) >= from);
};

// Of what was chosen only the latest choice, which begins with a 1.
function chosen(marks) {
  const first = marks.findLastIndex((mark) => mark.tone === "chosen" && mark.label === "1");
  return marks.filter((mark, index) => mark.tone !== "chosen" || index >= first);
}

function words(lanes, arrows, at) {
  const flying = arrows.filter((arrow) => (arrow.got_s ?? arrow.lost_s) > at).length;
  const states = lanes.map(({ name, state }) => `${name} is ${state === "inside" ? "inside" : state}`).join(", ");
  return `${states}; ${many(flying, "message")} under way`;
}

// Lanes

function head({ lane, name, state }, y) {
  const isDown = state === "down";
  return s("g", { class: `lane-head ${state}` },
    s("circle", { cx: 19, cy: y, r: 15, fill: isDown ? null : fill(lane), class: isDown ? "node gone" : "" }),
    s("text", { class: "middle strong", x: 19, y: y + 5, fill: isDown ? null : ink(lane) }, isDown ? "✕" : lane),
    ...lines(name).map((text, index, all) =>
      s("text", { class: index ? "small dim" : "strong", x: 42, y: y + (all.length > 1 ? -2 : 5) + 16 * index }, text)),
  );
}

const lines = (name) => name.split(" · ");

function track({ lane, told }, { at, from, x, y, width }) {
  const middle = y.get(lane);
  const found = [s("line", { class: "coming", x1: x(at), x2: width - 8, y1: middle, y2: middle })];
  const begun = told.slice(Math.max(0, upTo(told, from) - 1), upTo(told, at));
  begun.forEach((one, index) => {
    const begin = Math.max(from, one.at_s), end = begun[index + 1]?.at_s ?? at;
    if (end <= begin || one.state === "gone") return;
    const isDown = one.state === "down";
    found.push(s("rect", { class: `track ${one.state}`, x: x(begin), y: middle - 13, width: x(end) - x(begin), height: 26 }));
    found.push(s("line", { class: isDown ? "rail dead" : "rail", x1: x(begin), x2: x(end), y1: middle, y2: middle }));
  });
  return found;
}

function spans({ stage, at, from, x, y }, marks) {
  const found = [];
  for (const span of stage.spans.slice(0, upTo(stage.spans, at))) {
    const end = Math.min(span.until_s ?? at, at);
    if (end < from || !y.has(span.lane)) continue;
    const begin = x(Math.max(span.at_s, from)), wide = Math.max(3, x(end) - begin), middle = y.get(span.lane);
    const isThin = span.tone === "token", colour = span.tone === "inside" ? fill(span.lane) : null;
    found.push(s("rect", {
      class: `span ${span.tone}`, x: begin, y: isThin ? middle + 14 : middle - 13, width: wide,
      height: isThin ? 7 : 26, rx: isThin ? 3.5 : 6, fill: colour,
    }));
    const half = ((span.label ?? "").length * LETTER) / 2 + 5;
    if (half > 5 && wide > 2 * half) {
      const here = marks.filter((mark) => mark.lane === span.lane && mark.tone !== "tick").map((mark) => x(mark.at_s));
      const places = [0.5, 0.25, 0.75].map((part) => Math.min(Math.max(begin + wide * part, begin + half), begin + wide - half));
      const place = places.find((one) => here.every((mark) => Math.abs(mark - one) > half + 8));
      if (place !== undefined) found.push(s("text", { class: "small strong middle", x: place, y: middle + 4.5,
        fill: span.tone === "inside" ? ink(span.lane) : null }, span.label));
    }
  }
  return found;
}

// Marks

function tick(mark, { x, y }) {
  const at = x(mark.at_s), middle = y.get(mark.lane);
  return s("g", {},
    s("line", { class: "notch", x1: at, x2: at, y1: middle - 5, y2: middle + 5 }),
    s("text", { class: "tiny dim middle", x: at, y: middle + 21 }, mark.label));
}

const GLYPHS = { wrong: "✕", killed: "✕", jump: "↑", deferred: "‖" };

function points(marks, { x, y, left, width }) {
  const ends = new Map(); // lane: where labels end, on three levels
  return marks.map((mark) => {
    const at = x(mark.about_s ?? mark.at_s), middle = y.get(mark.lane);
    if (mark.tone === "chosen") return ring(mark, at, middle);
    const glyph = GLYPHS[mark.tone];
    const half = (mark.label.length * LETTER) / 2 + 3;
    const centre = Math.min(Math.max(at, left + half), width - half);
    const taken = ends.get(mark.lane) ?? [-1, -1, -1];
    let level = taken.findIndex((end) => end <= centre - half);
    if (level < 0) level = 2;
    taken[level] = centre + half;
    ends.set(mark.lane, taken);
    const size = glyph ? 8.5 : 5.5;
    return s("g", { class: `point ${mark.tone}${mark.act ? " can-act" : ""}` },
      s("circle", { cx: at, cy: middle, r: size }),
      glyph ? s("text", { class: "glyph middle", x: at, y: middle + 4.2 }, glyph) : null,
      s("text", { class: "note middle", x: centre, y: middle - 18 - 15 * level }, mark.label),
      s("title", {}, mark.label));
  });
}

function ring(mark, at, middle) {
  return s("g", { class: "point chosen" },
    s("circle", { cx: at, cy: middle, r: 11 }),
    s("text", { class: "note middle", x: at + 17, y: middle + 22 }, mark.label));
}

// Arrows

function shape(arrow, { x, y, at, from }) {
  const due = arrow.got_s ?? arrow.due_s ?? arrow.lost_s;
  const ends = arrow.got_s ?? arrow.lost_s;
  const until = Math.min(at, ends ?? at);
  const share = due > arrow.at_s ? Math.min(1, (until - arrow.at_s) / (due - arrow.at_s)) : 1;
  const x1 = x(arrow.at_s), y1 = y.get(arrow.from), x2 = x(due), y2 = y.get(arrow.to);
  const isOver = ends !== null && ends !== undefined && ends <= at;
  return { x1, y1, x2, y2, share, isOver, isLost: isOver && arrow.got_s === null,
    hx: x1 + (x2 - x1) * share, hy: y1 + (y2 - y1) * share };
}

function way(arrow, view) {
  const { x1, y1, hx, hy, isOver, isLost } = shape(arrow, view);
  const long = Math.hypot(hx - x1, hy - y1) || 1;
  const ux = (hx - x1) / long, uy = (hy - y1) / long;
  const back = isOver && !isLost ? 9 : 0; // room for the head
  const group = s("g", { class: `flow ${arrow.tone}` },
    s("line", { class: "way-line", x1, y1, x2: hx - ux * back, y2: hy - uy * back }));
  if (isLost) {
    group.append(s("path", { class: "cross", d: `M${hx - 6} ${hy - 6}l12 12m0 -12l-12 12` }));
  } else if (isOver) {
    const tip = `M${hx} ${hy}L${hx - ux * 13 - uy * 5.5} ${hy - uy * 13 + ux * 5.5}L${hx - ux * 13 + uy * 5.5} ${hy - uy * 13 - ux * 5.5}z`;
    group.append(s("path", { class: "tip", d: tip }));
  } else {
    group.append(s("circle", { class: "envelope", cx: hx, cy: hy, r: 6 }));
  }
  group.append(s("title", {}, `${arrow.label}: from ${arrow.from} to ${arrow.to}${isLost ? ", lost" : ""}`));
  return group;
}

// A label rides on its message until it finds room between two lanes, and stays there: where that
// is must not change while time goes on, so it is kept with the arrow.
function labels(arrows, view) {
  const taken = [];
  return arrows.filter((arrow) => arrow.label).map((arrow) => {
    const drawn = shape(arrow, view);
    if (arrow.spot?.scale !== view.scale || arrow.spot.row !== view.row) {
      arrow.spot = { scale: view.scale, row: view.row, share: room(arrow, drawn, view, taken) };
    }
    if (arrow.spot.share === null) return null;
    taken.push(boxAt(arrow, drawn, arrow.spot.share, view));
    const share = Math.min(arrow.spot.share, drawn.share);
    const shown = boxAt(arrow, drawn, share, view);
    const above = drawn.share < arrow.spot.share ? 16 : 4; // the message itself is to be seen
    return s("g", { class: `flow ${arrow.tone}` },
      s("text", { class: "flow-label small middle strong", x: (shown.x1 + shown.x2) / 2, y: shown.y2 - above }, arrow.label));
  }).filter((label) => label !== null);
}

function boxAt(arrow, { x1, y1, x2, y2 }, share, { left }) {
  const half = (arrow.label.length * LETTER) / 2 + 3;
  const cx = Math.max(left + half - 16, x1 + (x2 - x1) * share), cy = y1 + (y2 - y1) * share;
  return { x1: cx - half, x2: cx + half, y1: cy - 8, y2: cy + 8 };
}

// Where a label hits no other; null: it is left out, and whoever points at the arrow is told.
function room(arrow, drawn, view, taken) {
  const gaps = Math.max(1, Math.round(Math.abs(drawn.y2 - drawn.y1) / view.row));
  const shares = [];
  for (let gap = 0; gap < gaps; gap += 1) {
    for (const within of WITHIN) shares.push((gap + within) / gaps);
  }
  const isFree = (share) => {
    const box = boxAt(arrow, drawn, share, view);
    return taken.every((other) =>
      box.x1 >= other.x2 || other.x1 >= box.x2 || box.y1 >= other.y2 || other.y1 >= box.y2);
  };
  return shares.sort((a, b) => rank(a, gaps) - rank(b, gaps)).find(isFree) ?? null;
}

// The middle between two lanes first, then the gap that is nearest to the receiver.
const rank = (share, gaps) => {
  const gap = Math.min(gaps - 1, Math.floor(share * gaps)), within = share * gaps - gap;
  return WITHIN.findIndex((one) => Math.abs(one - within) < 0.01) + 0.1 * (gaps - gap);
};

// Time

function axis({ at, from, span, x, inner }, height) {
  const least = (span * 90) / inner; // between two labels
  const step = [1, 2, 5, 10].map((n) => n * 10 ** Math.floor(Math.log10(least))).find((size) => size >= least);
  const unit = step >= 0.5 ? [1, "s"] : [1e-3, "ms"];
  const found = [], end = from + span;
  for (let index = Math.ceil(from / step); index * step <= end; index += 1) {
    const time = index * step;
    if (time > at + 1e-9) break;
    found.push(s("line", { class: "grid", x1: x(time), x2: x(time), y1: 8, y2: height - AXIS + 4 }));
    found.push(s("text", { class: "middle dim tiny", x: x(time), y: height - 10 }, `${+(time / unit[0]).toFixed(3)} ${unit[1]}`));
  }
  found.push(s("line", { class: "now", x1: x(at), x2: x(at), y1: 4, y2: height - AXIS + 4 }));
  return found;
}

// A click on a mark that stands for an action: whoever runs the stage listens for `act`. The
// picture is made anew many times a second, so it is the picture that is clicked, not the mark.
const heard = new WeakMap();
function listen(picture, shown) {
  const isNew = !heard.has(picture);
  heard.set(picture, shown);
  if (!isNew) return;
  picture.addEventListener("pointerdown", (event) => {
    const { marks, view } = heard.get(picture);
    const box = picture.getBoundingClientRect(), ratio = picture.viewBox.baseVal.width / box.width;
    const px = (event.clientX - box.left) * ratio, py = (event.clientY - box.top) * ratio;
    const near = (mark) => Math.hypot(view.x(mark.at_s) - px, view.y.get(mark.lane) - py);
    const mark = marks.filter((one) => one.act).sort((a, b) => near(a) - near(b))[0];
    if (mark && near(mark) < 16) {
      picture.dispatchEvent(new CustomEvent("act", { bubbles: true, detail: mark.act }));
    }
  });
}
