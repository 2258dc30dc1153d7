// Locks: who holds each, and who waits.

import { fill, h, ink } from "./svg.js";

let before = "";

// The newest word on locks, of a member that is well.
export function known(store, at) {
  let newest = null;
  for (const number of store.members) {
    const status = store.member(number, at).status;
    if (status && status.locks && (!newest || status.at_s > newest.at_s)) newest = status;
  }
  return newest && newest.locks;
}

export function draw(panel, store, at) {
  const locks = known(store, at) ?? [];
  const state = JSON.stringify(locks);
  if (state === before) return;
  before = state;
  panel.querySelector(".list").replaceChildren(...(locks.length ? locks.map(item)
    : [h("li", { class: "dim" }, "no lock is held")]));
}

function item(lock) {
  return h("li", {}, h("code", {}, lock.name), " held by ", lock.holder === null ? "nobody: its holder is gone, its lease runs out" : chip(lock.holder),
    ...(lock.waiting.length ? [" · wait: ", ...lock.waiting.map(chip)] : []));
}

function chip(number) {
  const mark = h("span", { class: "member" }, number);
  mark.style.background = fill(number);
  mark.style.color = ink(number);
  return mark;
}
