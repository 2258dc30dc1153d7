// One message: where it is delivered, where it waits, and why.

import { fill, h, ink } from "./svg.js";
import { upTo } from "./store.js";

const SIGNS = { got: "✓", waits: "…", coming: "→", never: "✕", absent: "–" };
let before = "";

export const has = (store) => store.plays && store.how.size > 0;

// The message that is looked at: the chosen one, else the newest.
export function shown(store, at, transport) {
  const known = store.sent.slice(0, upTo(store.sent, at, "sent_s")).filter((message) => store.why.has(message.name));
  const chosen = known.find((message) => message.name === transport.chosen);
  return { known, message: chosen ?? known.at(-1) ?? null };
}

export function draw(panel, store, at, transport) {
  const { known, message } = shown(store, at, transport);
  transport.message = message?.name ?? null;
  const members = [...store.how.keys()].sort((a, b) => a - b);
  const rows = members.map((number) => message && (store.whyAt(message.name, number, at) ?? { state: "absent", text: "was not in that configuration" }));
  const state = JSON.stringify([message?.name, known.length, transport.chosen, rows.map((row) => row && [row.state, row.text])]);
  if (state === before) return;
  before = state;
  const head = panel.querySelector(".which");
  const index = known.indexOf(message);
  panel.querySelector("#why-before").disabled = index <= 0;
  panel.querySelector("#why-after").disabled = index < 0 || index === known.length - 1;
  head.replaceChildren(...(message ? [
    mark(message), h("span", {}, ` ${message.service === "safe" ? "SAFE" : "AGREED"}, sent by ${message.origin}`)] : [h("span", { class: "dim" }, "Nothing was sent yet. Here you see, for a message, who has delivered it, and what the others wait for.")]));
  panel.querySelector(".list").replaceChildren(...(message ? members.map((number, row) => item(number, rows[row])) : []));
}

function mark(message) {
  const found = h("strong", { class: `chip-message ${message.service}` }, message.label);
  found.style.background = fill(message.origin);
  found.style.color = ink(message.origin);
  return found;
}

function item(number, { state, text }) {
  const chip = h("span", { class: "member" }, number);
  chip.style.background = fill(number);
  chip.style.color = ink(number);
  return h("li", { class: state }, chip, h("span", { class: "sign", "aria-hidden": "true" }, SIGNS[state]), h("span", { class: "because" }, text));
}
