// How much there is to do: messages sent and delivered, the token's turns, queues.

import { digits, duration, fill, h, ink, rate } from "./svg.js";
import { upTo } from "./store.js";

const COLUMNS = ["member", "sends /s", "delivers /s", "resent", "queue", "clock"];
let drawnAt = -Infinity;

// Average over what was counted in the last second, or the last stretch.
export function loads(node, at) {
  const end = upTo(node.load, at);
  if (!end) return null;
  const width = node.load[end - 1].width_s;
  const from = at - Math.max(1, 2 * width);
  let sent = 0, got = 0;
  for (let index = end - 1; index >= 0 && node.load[index].at_s > from; index -= 1) {
    sent += node.load[index].sent;
    got += node.load[index].got;
  }
  const span = Math.max(width, Math.min(at - from, at - node.load[0].at_s + width));
  return { sent: sent / span, got: got / span };
}

// Of a ring whose passings are told: the time between two visits at one member.
function rotation(store, at) {
  for (const { configuration } of store.components(at).rings) {
    const passings = store.tokens.get(configuration.ring);
    if (!passings) continue;
    const end = upTo(passings, at);
    const size = configuration.members.length;
    const turns = Math.min(20, Math.floor((end - 1) / size));
    if (turns > 0) return (passings[end - 1].at_s - passings[end - 1 - turns * size].at_s) / turns;
  }
  return null;
}

export function draw(panel, store, at) {
  const now = performance.now();
  if (now - drawnAt < 250) return;
  drawnAt = now;
  const members = store.members.map((number) => store.member(number, at));
  const alive = members.filter((member) => member.is !== "gone" && member.is !== "unknown");
  const status = alive.map((member) => member.status).find((one) => one && one.rotation_s);
  const turn = status ? status.rotation_s : rotation(store, at);
  const rows = alive.map((member) => row(store, member, at));
  const sum = rows.reduce((total, one) => total + (one.sent ?? 0), 0);
  const figures = [["messages /s", rows.some((one) => one.sent !== null) ? rate(sum) : "–"],
    ["token round in", turn ? duration(turn) : "–"], ["turns /s", turn ? rate(1 / turn) : "–"]];
  panel.querySelector(".figures").replaceChildren(...figures.map(([name, value]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  const used = COLUMNS.map((_, column) => column === 0 || rows.some((one) => one.cells[column] !== null));
  const pick = (cells) => cells.filter((_, column) => used[column]);
  panel.querySelector("thead").replaceChildren(h("tr", {}, ...pick(COLUMNS).map((name) => h("th", { scope: "col" }, name))));
  panel.querySelector("tbody").replaceChildren(...rows.map((one) =>
    h("tr", {}, ...pick(one.cells).map((cell) => h("td", {}, cell ?? "–")))));
}

function row(store, member, at) {
  const load = loads(store.nodes.get(member.number), at);
  const status = member.status;
  const mark = h("span", { class: "member" }, member.number);
  mark.style.background = fill(member.number);
  mark.style.color = ink(member.number);
  const sent = load ? load.sent : status?.sent_per_s ?? null;
  return { sent, cells: [
    mark, sent === null ? null : rate(sent), load ? rate(load.got) : null,
    status ? status.resent.toLocaleString("en") : null,
    status ? `${digits((100 * status.queued) / Math.max(1, status.queued_max))} %` : null,
    status ? `± ${duration(status.clock_error_s)}` : null] };
}
