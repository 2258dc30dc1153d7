// The network: members where they stay, every link between them, datagrams on their way, and a
// cloud around those who are in one configuration. Members and links can be clicked.

import { describe, fill, ink, isStill, list, s } from "./svg.js";
import { upTo } from "./store.js";

const WIDTH = 460, HEIGHT = 400, MIDDLE = 208, R = 24, REST = 40;
const LOOKED_AT = 400;
const DEAD_S = 0.5, FRESH_S = 0.9; // of watching
let parts = null; // what stays from one picture to the next, so that it can be clicked

export const has = (store) => store.plays && store.how.size > 0;

export function draw(panel, store, at, transport) {
  const members = [...store.how.keys()].sort((a, b) => a - b);
  const picture = panel.querySelector("svg");
  if (!parts || parts.key !== members.join() || parts.picture !== picture) parts = build(panel, picture, members);
  const { rings, rest } = store.components(at);
  const how = new Map(members.map((number) => [number, store.howAt(number, at)]));
  parts.clouds.replaceChildren(...rings.flatMap((ring, index) => cloud(ring, index, how)));
  const words = parts.links.map((link) => update(link, store, at));
  for (const number of members) dress(number, how.get(number), store.member(number, at), transport.chosenSide);
  parts.moving.replaceChildren(...frames(store, at, transport), ...fresh(store, at, transport));
  const cut = words.filter(Boolean);
  const told = rings.map((ring) => `${list(ring.members.map((member) => member.number))} in one configuration`);
  for (const { number } of rest) told.push(`${number} ${how.get(number)?.state ?? "unknown"}`);
  describe(picture, `${told.join("; ")}${cut.length ? `; cut: ${cut.join(", ")}` : ""}`);
}

// What stays

function build(panel, picture, members) {
  const spots = new Map(members.map((number, index) => {
    const angle = (2 * Math.PI * index) / members.length - Math.PI / 2;
    return [number, { angle, x: WIDTH / 2 + 150 * Math.cos(angle), y: MIDDLE + (members.length === 3 ? 22 : 0) + 150 * Math.sin(angle) }];
  }));
  const made = { key: members.join(), picture, spots };
  made.clouds = s("g", { class: "clouds" });
  made.moving = s("g", { class: "moving" });
  const layer = s("g", {});
  made.links = [];
  members.forEach((from, index) => {
    for (const to of members.slice(index + 1)) {
      const link = wire(from, to, spots);
      link.group.addEventListener("click", (event) => act(panel, "link", { from, to }, event));
      made.links.push(link);
      layer.append(link.group);
    }
  });
  made.people = new Map(members.map((number) => {
    const person = body(number, spots.get(number));
    person.group.addEventListener("click", (event) => act(panel, "member", { number }, event));
    return [number, person];
  }));
  picture.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  picture.replaceChildren(made.clouds, layer, made.moving, ...[...made.people.values()].map(({ group }) => group));
  picture.addEventListener("keydown", press);
  return made;
}

function press(event) {
  if (event.key !== "Enter" && event.key !== " ") return;
  const target = event.target.closest(".reachable");
  if (!target) return;
  event.preventDefault();
  event.stopPropagation();
  target.dispatchEvent(new MouseEvent("click", { bubbles: true, shiftKey: event.shiftKey }));
}

function act(panel, what, detail, event) {
  panel.dispatchEvent(new CustomEvent("touch", { bubbles: true, detail: { what, ...detail, shift: event.shiftKey, target: event.currentTarget } }));
}

function wire(from, to, spots) {
  const a = spots.get(from), b = spots.get(to);
  const long = Math.hypot(b.x - a.x, b.y - a.y);
  const ux = (b.x - a.x) / long, uy = (b.y - a.y) / long;
  const ends = { x1: a.x + ux * (R + 4), y1: a.y + uy * (R + 4), x2: b.x - ux * (R + 4), y2: b.y - uy * (R + 4) };
  const x = (a.x + b.x) / 2, y = (a.y + b.y) / 2, turn = (Math.atan2(uy, ux) * 180) / Math.PI;
  const group = s("g", { class: "wire reachable", tabindex: 0, role: "button" },
    s("line", { class: "reach", ...ends }), s("line", { class: "seen", ...ends }),
    s("path", { class: "gap", d: "M-8 0h16", transform: `translate(${x} ${y}) rotate(${turn})` }),
    s("path", { class: "no", d: "M-6-6L6 6M6-6L-6 6", transform: `translate(${x} ${y})` }),
    s("path", { class: "way-there", d: "M-6-7L6 0L-6 7", transform: `translate(${x} ${y}) rotate(${turn})` }),
    s("path", { class: "way-back", d: "M6-7L-6 0L6 7", transform: `translate(${x} ${y}) rotate(${turn})` }),
    s("title", {}));
  return { from, to, group, title: group.querySelector("title"), was: null };
}

function body(number, { x, y, angle }) {
  const out = { x: x + (R + 15) * Math.cos(angle), y: y + (R + 15) * Math.sin(angle) };
  const anchor = Math.cos(angle) > 0.3 ? "begin" : Math.cos(angle) < -0.3 ? "end" : "middle";
  const state = s("text", { class: `state ${anchor}`, x: anchor === "middle" ? x : x + Math.sign(Math.cos(angle)) * 6, y: Math.sin(angle) < -0.9 ? y - R - 12 : y + R + 20 });
  const group = s("g", { class: "person reachable", tabindex: 0, role: "button", "aria-haspopup": "menu", "data-member": number },
    s("circle", { class: "focus", cx: x, cy: y, r: R + 6 }),
    s("circle", { class: "node", cx: x, cy: y, r: R }),
    s("text", { class: "middle name", x, y: y + 6 }, number),
    s("path", { class: "cross", d: `M${x - 15} ${y - 15}l30 30m0-30l-30 30` }),
    s("path", { class: "bars", d: `M${x - 5} ${y - 9}v18M${x + 5} ${y - 9}v18` }),
    s("g", { class: "badge", transform: `translate(${x + 19} ${y - 19})` }, s("rect", { x: -11, y: -9, width: 22, height: 18, rx: 9 }), s("text", { class: "middle tiny strong", y: 4 })),
    state, s("title", {}));
  return { group, state, out, badge: group.querySelector(".badge"), node: group.querySelector(".node"), name: group.querySelector(".name") };
}

// What changes

function update(link, store, at) {
  const there = store.isCut(link.from, link.to, at), back = store.isCut(link.to, link.from, at);
  const is = there && back ? "cut" : there ? "back" : back ? "there" : "whole";
  if (is !== link.was) {
    link.was = is;
    link.group.setAttribute("class", `wire reachable ${is}`);
    const words = { cut: "cut", back: `only ${link.to} → ${link.from}`, there: `only ${link.from} → ${link.to}`, whole: "whole" }[is];
    const text = `Link ${link.from} – ${link.to}: ${words}. Click to ${is === "whole" ? "cut" : "mend"} it.`;
    link.title.textContent = text;
    link.group.setAttribute("aria-label", text);
  }
  return is === "whole" ? null : is === "cut" ? `${link.from} – ${link.to}` : is === "back" ? `${link.from} → ${link.to}` : `${link.to} → ${link.from}`;
}

function dress(number, how, member, side) {
  const { group, state, badge, node, name } = parts.people.get(number);
  const isGone = how?.state === "down" || how?.state === "left";
  const isOn = how?.state === "on a ring";
  const kind = isGone ? "gone" : how?.state === "paused" ? "stopped" : isOn ? "up" : "seeking";
  const words = { down: "dead", left: "has left", paused: "stopped", "on a ring": "", idle: "starts" }[how?.state] ?? how?.state ?? "";
  const queued = how?.queued ?? 0;
  const key = `${kind}/${words}/${queued}/${side ? side.has(number) : ""}`;
  if (group.dataset.key === key) return;
  group.dataset.key = key;
  group.setAttribute("class", `person reachable ${kind} ${side ? (side.has(number) ? "chosen" : "other") : ""}`);
  node.setAttribute("fill", isGone ? "none" : fill(number));
  name.setAttribute("fill", isGone ? "currentColor" : ink(number));
  state.textContent = words;
  badge.classList.toggle("is-shown", queued > 0);
  badge.querySelector("text").textContent = queued;
  const text = `Member ${number}${words ? `, ${words}` : ""}${queued ? `, ${queued} to send` : ""}. Click for what to do.`;
  group.setAttribute("aria-label", text);
  group.querySelector("title").textContent = text;
}

function cloud(ring, index, how) {
  const here = ring.members.map(({ number }) => number).filter((number) => parts.spots.has(number) && how.get(number)?.state !== "down");
  const spots = here.map((number) => parts.spots.get(number));
  if (!spots.length) return [];
  const d = `M${spots.map(({ x, y }) => `${x} ${y}`).join("L")}z`;
  const centre = { x: mean(spots.map(({ x }) => x)), y: mean(spots.map(({ y }) => y)) };
  const found = [s("path", { class: `cloud c${index % 4}`, d }), s("path", { class: `cloud inner c${index % 4}`, d })];
  if (spots.length > 2) {
    found.push(...spots.map((from, place) => {
      const to = spots[(place + 1) % spots.length];
      const turn = (Math.atan2(to.y - from.y, to.x - from.x) * 180) / Math.PI;
      return s("path", { class: "arrow", d: "M-4-5L4 0L-4 5", transform: `translate(${(from.x + to.x) / 2} ${(from.y + to.y) / 2}) rotate(${turn}) translate(0 -13)` });
    }));
  }
  const label = `{${ring.configuration.members.join(",")}}`;
  const spot = spots.length > 2 ? centre : spots.length === 2 ? outside(spots) : { x: spots[0].x + 46 * Math.cos(spots[0].angle), y: spots[0].y + 46 * Math.sin(spots[0].angle) - 8 };
  if (spots.length > 2) {
    found.push(s("text", { class: "middle view-name", x: spot.x, y: spot.y - 2 }, label));
    found.push(s("text", { class: "middle dim small", x: spot.x, y: spot.y + 15 }, "one configuration"));
  } else if (spots.length === 2) found.push(s("text", { class: "middle view-name small", x: spot.x, y: spot.y }, label));
  return found;
}

// Between two on a link there is no room: beside it, away from the middle.
function outside([one, other]) {
  const x = (one.x + other.x) / 2, y = (one.y + other.y) / 2;
  const dx = x - WIDTH / 2, dy = y - MIDDLE, long = Math.hypot(dx, dy) || 1;
  return { x: Math.min(WIDTH - 34, Math.max(34, x + (dx / long) * 44)), y: y + (dy / long) * 44 + 4 };
}

const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

// Datagrams

function frames(store, at, transport) {
  const pace = transport.pace || 0.05;
  const end = upTo(store.frames, at);
  const found = [], coins = [];
  const newest = new Map(); // ring: its token
  for (const frame of store.frames.slice(Math.max(0, end - LOOKED_AT), end)) {
    if (frame.what === "token") newest.set(frame.ring, frame);
    const isLost = frame.lost_s !== null && frame.lost_s <= at;
    if (frame.what === "token" && !isLost) continue;
    const gone = isLost ? frame.lost_s + DEAD_S * pace : frame.got_s;
    if (at >= gone) continue;
    found.push(...dot(store, frame, at, isLost, pace));
  }
  for (const frame of newest.values()) {
    const isOn = store.member(frame.to, at).configuration?.ring === frame.ring || frame.got_s > at || ["recovers", "agrees"].includes(store.howAt(frame.to, at)?.state);
    if (frame.lost_s !== null && frame.lost_s <= at) continue;
    if (isOn && store.howAt(frame.to, at)?.state !== "down" && at - frame.got_s < 3 * pace) coins.push(coin(frame, at));
  }
  return [...found, ...coins];
}

function between(frame, share) {
  const from = parts.spots.get(frame.from), to = parts.spots.get(frame.to);
  return { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share };
}

const ease = (share) => (share < 0 ? 0 : share > 1 ? 1 : share * share * (3 - 2 * share));

function coin(frame, at) {
  const share = ease((at - frame.at_s) / (frame.got_s - frame.at_s));
  const { x, y } = between(frame, share);
  const from = parts.spots.get(frame.from), to = parts.spots.get(frame.to);
  // It rests beside its holder, towards the middle.
  const near = (spot) => ({ x: (WIDTH / 2 - spot.x) / 150, y: (MIDDLE - spot.y) / 150 });
  const dx = REST * ((1 - share) * near(from).x + share * near(to).x);
  const dy = REST * ((1 - share) * near(from).y + share * near(to).y);
  return s("g", { class: "coin", transform: `translate(${x + dx} ${y + dy})` },
    s("circle", { r: 11 }), s("path", { d: "M-4-4h8M0-4v9" }), s("title", {}, "the token"));
}

function dot(store, frame, at, isLost, pace) {
  const early = frame.lost_s !== null && frame.lost_s <= frame.at_s;
  const share = (at - frame.at_s) / (frame.got_s - frame.at_s);
  const stop = early ? 0.5 : 0.86;
  const { x, y } = between(frame, isLost ? Math.min(share, stop) : share);
  if (isLost && (!early || share >= stop)) {
    if (frame.what !== "message" && frame.what !== "again" && frame.what !== "token") return [];
    const age = Math.min(1, (at - frame.lost_s) / (DEAD_S * pace));
    return [s("path", { class: "lost", d: `M${x - 6} ${y - 6}l12 12m0-12l-12 12`, opacity: 1 - 0.6 * age }, s("title", {}, frame.lost))];
  }
  if (share > 1) return [];
  const message = store.messages.get(frame.messages[0]);
  if (frame.what === "message" || frame.what === "again") {
    const origin = message?.origin ?? frame.from;
    const more = { class: `letter ${frame.what}`, fill: fill(origin) };
    const isSafe = message?.service === "safe";
    return [s("g", { transform: `translate(${x} ${y})` },
      s("rect", { ...more, x: -13, y: -9, width: 26, height: 18, rx: isSafe ? 2 : 9 }),
      s("text", { class: "middle tiny strong", y: 4, fill: ink(origin) }, message?.label ?? "?"))];
  }
  if (frame.what === "commit") return [s("g", { class: "coin hollow", transform: `translate(${x} ${y})` }, s("circle", { r: 9 }), s("title", {}, "commit token"))];
  return [s("circle", { class: `word ${frame.what}`, cx: x, cy: y, r: frame.what === "join" ? 4.5 : 3 })];
}

// What a member has just delivered rises from it.
function fresh(store, at, transport) {
  if (isStill()) return [];
  const lasts = FRESH_S * (transport.pace || 0.05);
  const found = [];
  for (const [number, spot] of parts.spots) {
    const columns = (store.told.get(number) ?? []).slice(-12).filter((column) => column.message && column.got.get(number) <= at && column.got.get(number) > at - lasts);
    columns.slice(-3).forEach((column, index) => {
      const age = (at - column.got.get(number)) / lasts;
      const out = R + 20 + 22 * age;
      const y = spot.y + out * Math.sin(spot.angle) + index * 20 - 10 * columns.length + 8, x = spot.x + out * Math.cos(spot.angle);
      found.push(s("g", { transform: `translate(${x} ${y})`, opacity: 1 - age * age },
        s("rect", { class: "risen", x: -15, y: -10, width: 30, height: 20, rx: 5, fill: fill(column.message.origin) }),
        s("text", { class: "middle small strong", y: 4.5, fill: ink(column.message.origin) }, column.message.label)));
    });
  }
  return found;
}
