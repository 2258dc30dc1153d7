// What happened, and why: the newest above.

import { h } from "./svg.js";
import { rich } from "./rich.js";

const SHOWN = 14;
let before = null;

export const has = (store) => store.plays && store.about !== null;

export function draw(panel, store, at, transport) {
  const shown = store.saidUntil(at).slice(-SHOWN).reverse();
  const state = `${store.about.title}|${shown.map((one) => `${one.at_s} ${one.title}`).join("|")}`;
  if (state === before) return;
  before = state;
  const hint = h("li", { class: "dim hint" }, ...(store.about.scene ? ["Nothing yet."] : rich(store.about.intro)));
  panel.querySelector(".list").replaceChildren(...(shown.length ? [] : [hint]), ...shown.map((one, index) => {
    const button = h("button", { type: "button" }, h("strong", {}, sign(one.verdict), one.title), h("span", {}, ...rich(one.text)));
    button.addEventListener("click", () => transport.go(one.at_s));
    return h("li", { class: `${one.verdict ?? ""} ${index ? "past" : "newest"}` }, button);
  }));
}

export const sign = (verdict) => ({ good: "✓ ", bad: "✗ " })[verdict] ?? "";
