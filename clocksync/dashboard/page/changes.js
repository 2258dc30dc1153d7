// The configurations: who, since when, why; the newest above.

import { duration, fill, h, ink, list } from "./svg.js";
import { upTo } from "./store.js";

const SHOWN = 7;
let before = "";

export function draw(panel, store, at, transport) {
  const end = upTo(store.changes, at);
  const shown = store.changes.slice(Math.max(0, end - SHOWN), end).reverse();
  const next = transport.follows ? null : store.changes[end];
  const alive = new Set(store.components(at).rings.map((ring) => ring.configuration.id));
  const told = (change) => change.told.filter((one) => one.at_s <= at).length;
  const state = JSON.stringify([shown.map((change) => [change.id, told(change), alive.has(change.id), change.reason]), next?.id]);
  if (state === before) {
    panel.querySelectorAll("time").forEach((time) => { time.textContent = since(at - Number(time.dataset.at)); });
    return;
  }
  before = state;
  const items = shown.map((change) => item(change, told(change), alive.has(change.id), at, transport));
  if (next) {
    items.unshift(h("li", { class: "next" }, button(next, transport,
      h("span", { class: "dim" }, "next change in "), h("time", { "data-at": next.at_s }, since(at - next.at_s)))));
  }
  panel.querySelector(".list").replaceChildren(...items);
}

const since = (seconds) => duration(Math.abs(seconds));

function item(change, told, isAlive, at, transport) {
  return h("li", { class: isAlive ? "alive" : "past" }, button(change, transport,
    h("span", { class: "who" }, ...change.members.map((number) => chip(number)),
      ...change.left.map((number) => chip(number, "left"))),
    h("strong", {}, headline(change)),
    h("span", { class: "why" }, change.reason),
    h("span", { class: "dim" }, h("time", { "data-at": change.at_s }, since(at - change.at_s)), " before · ",
      told === change.members.length ? "all know" : `${told} of ${change.members.length} know`,
      isAlive ? " · in force" : "")));
}

function chip(number, more = "") {
  const mark = h("span", { class: `member ${more}` }, number);
  if (!more) {
    mark.style.background = fill(number);
    mark.style.color = ink(number);
  }
  return mark;
}

function headline({ joined, left, members, before: was, alone }) {
  const back = was.length > 1 ? alone.filter((number) => was.includes(number)) : [];
  if (!was.length && members.length === 1) return `${members[0]} starts, alone`;
  const parts = [];
  if (left.length) parts.push(`${list(left)} left out`);
  if (joined.length) parts.push(`${list(joined)} joined`);
  if (back.length) parts.push(`${list(back)} back after a restart`);
  return parts.join(", ") || "the same members, a new ring";
}

function button(change, transport, ...children) {
  const found = h("button", { type: "button" }, ...children);
  found.addEventListener("click", () => transport.go(change.at_s));
  return found;
}
