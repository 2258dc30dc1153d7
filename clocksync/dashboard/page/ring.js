// The rings: members in the order of the token, who leads, where the token is, and who is gone.

import { describe, duration, fill, ink, isStill, list, many, s } from "./svg.js";
import { last, upTo } from "./store.js";

const WIDTH = 420, HEIGHT = 330;
const R = 21;
const SLOWEST_TURN_S = 3;

// Where the token is: {from, to, share of the way}; null: not known.
function token(store, ring, at, follows) {
  const passings = store.tokens.get(ring.configuration.ring);
  if (passings) {
    const index = upTo(passings, at) - 1;
    if (index < 0) return null;
    const passing = passings[index], next = passings[index + 1];
    const half = next ? (next.at_s - passing.at_s) / 2 : 1e-4;
    return { from: passing.node, to: passing.to, share: Math.min(1, (at - passing.at_s) / half) };
  }
  // Who sends has it.
  let newest = null;
  for (const { number } of ring.members) {
    const sent = last(store.nodes.get(number).sent, at);
    if (sent && sent.ring === ring.configuration.ring && (!newest || sent.at_s > newest.at_s)) {
      newest = { ...sent, number };
    }
  }
  const turning = ring.members.some((member) => member.status && member.status.rotation_s);
  if (turning && (!newest || follows)) {
    if (isStill()) return null;
    const places = ring.members.map((member) => member.number);
    const turn = ((performance.now() / 1000 / SLOWEST_TURN_S) % 1) * places.length;
    const index = Math.floor(turn);
    return {
      from: places[index], to: places[(index + 1) % places.length],
      share: turn - index, isDrawnSlower: true,
    };
  }
  return newest && { from: newest.number, to: newest.number, share: 1 };
}

// Circles in a box: one in the middle, more of them beside each other.
function places(rings, height) {
  const wanted = rings.map((ring) => (ring.members.length === 1 ? 0.45 : 0.55 + 0.12 * ring.members.length));
  const sum = wanted.reduce((a, b) => a + b, 0);
  let left = 0;
  return wanted.map((share) => {
    const width = (WIDTH * share) / sum;
    const x = left + width / 2;
    left += width;
    const radius = Math.min(118, width / 2 - R - 8, height / 2 - R - 16);
    return { x, y: height / 2, radius: Math.max(radius, 18) };
  });
}

export function draw(panel, store, at, transport) {
  const picture = panel.querySelector("svg");
  const { rings, rest } = store.components(at);
  const height = rest.length ? HEIGHT - 62 : HEIGHT;
  const drawn = [];
  const told = [];
  places(rings, height).forEach((where, index) => {
    const ring = rings[index];
    const count = ring.members.length;
    const spot = new Map(ring.members.map((member, place) => {
      const angle = (2 * Math.PI * place) / count - Math.PI / 2;
      const radius = count === 1 ? 0 : where.radius;
      return [member.number, { angle, x: where.x + radius * Math.cos(angle), y: where.y + radius * Math.sin(angle) }];
    }));
    const radius = count === 1 ? R + 9 : where.radius;
    drawn.push(s("circle", { class: "orbit", cx: where.x, cy: where.y, r: radius }));
    const holder = token(store, ring, at, transport.follows);
    if (count > 1) {
      drawn.push(...arrows(where, count));
      const words = many(count, "member");
      if (radius > 60) {
        drawn.push(s("text", { class: "middle strong", x: where.x, y: where.y - 8 }, words));
        drawn.push(s("text", { class: "middle dim", x: where.x, y: where.y + 10 }, `ring ${ring.configuration.ring.split(".")[0]}`));
        about(ring, holder).forEach((line, index) => {
          drawn.push(s("text", { class: "middle dim small", x: where.x, y: where.y + 27 + 15 * index }, line));
        });
      }
    }
    for (const member of ring.members) {
      drawn.push(...person(member, spot.get(member.number), ring.configuration.leads === member.number && count > 1, where, count));
    }
    if (holder && count > 1 && spot.has(holder.from) && spot.has(holder.to)) {
      drawn.push(coin(spot, holder, where, radius));
    }
    told.push(`${list(ring.members.map((member) => member.number))} on ring ${ring.configuration.ring}`);
  });
  rest.forEach((member, index) => {
    const x = (WIDTH / (rest.length + 1)) * (index + 1), y = HEIGHT - 42;
    drawn.push(...person(member, { x, y }, false, { x, y: y - 99 }, 0));
    drawn.push(s("text", { class: "middle small", x, y: y + R + 14 }, `${member.number} ${fate(member)}`));
    told.push(`${member.number} ${fate(member)}`);
  });
  picture.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  picture.replaceChildren(...drawn);
  describe(picture, told.join("; ") || "no members yet");
}

function about(ring, holder) {
  const turning = ring.members.find((member) => member.status && member.status.rotation_s);
  if (turning) return [`a round: ${duration(turning.status.rotation_s)}`, ...(holder?.isDrawnSlower ? ["(drawn slower)"] : [])];
  return holder ? [`token at ${holder.share < 0.5 ? holder.from : holder.to}`] : [];
}

const fate = (member) =>
  ({ gone: { crash: "was killed", leave: "has left", silent: "does not answer" }[member.how],
    alone: "starts", unknown: "not heard of" })[member.is] ?? "";

function arrows(where, count) {
  const found = [];
  for (let index = 0; index < count; index += 1) {
    const angle = (2 * Math.PI * (index + 0.5)) / count - Math.PI / 2;
    const x = where.x + where.radius * Math.cos(angle), y = where.y + where.radius * Math.sin(angle);
    const turn = (angle * 180) / Math.PI + 90;
    found.push(s("path", { class: "arrow", d: "M-4-5L4 0L-4 5", transform: `translate(${x} ${y}) rotate(${turn})` }));
  }
  return found;
}

function person(member, spot, leads, where, count) {
  const { x, y } = spot;
  const isGone = member.is === "gone" || member.is === "unknown";
  const found = [
    s("circle", { class: `node ${member.is}`, cx: x, cy: y, r: R, fill: isGone ? null : fill(member.number) },
      s("title", {}, `member ${member.number}`)),
    s("text", { class: `middle name ${member.is}`, x, y: y + 6, fill: isGone ? null : ink(member.number) }, member.number),
  ];
  if (member.is === "gone") found.push(s("path", { class: "cross", d: `M${x - 14} ${y - 14}L${x + 14} ${y + 14}M${x + 14} ${y - 14}L${x - 14} ${y + 14}` }));
  if (leads) found.push(s("path", { class: "crown", d: `M${x - 10} ${y - R - 3}l-2-11 6 5 6-8 6 8 6-5-2 11z` }, s("title", {}, "leads the ring")));
  if (member.is === "looking") {
    found.push(s("circle", { class: "halo", cx: x, cy: y, r: R + 5 }));
    found.push(s("text", { class: "middle small", x, y: y + R + 18 }, "seeks a ring"));
  }
  return found;
}

function coin(spot, holder, where, radius) {
  const from = spot.get(holder.from), to = spot.get(holder.to);
  let turn = to.angle - from.angle;
  if (turn < 0) turn += 2 * Math.PI;
  const angle = from.angle + turn * holder.share;
  const out = radius - R - 7;
  const x = where.x + out * Math.cos(angle), y = where.y + out * Math.sin(angle);
  return s("g", { class: "coin", transform: `translate(${x} ${y})` },
    s("circle", { r: 9 }), s("path", { d: "M-3.5-3.5h7M0-3.5v8" }), s("title", {}, "the token"));
}
