// Everything that can be done on a stage, as buttons: the same as by clicking in the picture.

import { fill, h, ink } from "./svg.js";

let before = "", lane = null;
const side = new Set();

export const has = (store) => store.plays && store.about !== null && store.about.scene === null && store.about.controls.length > 0;

// What can be done at a lane now.
export function able(store, number) {
  const names = store.can.get(number);
  return store.about.controls.filter((one) => one.kind === "lane" && (!names || names.includes(one.name)));
}

export function draw(panel, store, at, transport) {
  const lanes = [...store.lanes.keys()].sort((a, b) => a - b);
  if (!lanes.includes(lane)) lane = lanes[0] ?? null;
  const state = JSON.stringify([store.about.controls, [...store.lanes], [...store.can], lane, [...side]]);
  if (state === before && panel.querySelector(".controls").childElementCount) return;
  before = state;
  const focused = panel.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const all = store.about.controls;
  const of = (kind) => all.filter((one) => one.kind === kind);
  const act = (action) => transport.act(action);
  const redraw = () => { before = ""; draw(panel, store, at, transport); };
  const rows = [];
  if (of("button").length) rows.push(h("div", { class: "row" }, ...of("button").map((one) => button(one, () => act({ do: one.name })))));
  if (of("lane").length && lanes.length) {
    rows.push(h("div", { class: "row" }, h("span", { class: "what" }, "At"), ...chips(store, lanes, (number) => number === lane, "radio", (number) => { lane = number; redraw(); }),
      ...able(store, lane).map((one) => button(one, () => act({ do: one.name, lane })))));
  }
  if (of("pair").length && lanes.length > 1) rows.push(pairs(of("pair"), lanes, store, act));
  for (const one of of("side")) {
    rows.push(h("div", { class: "row" }, h("span", { class: "what" }, "Side"), ...chips(store, lanes, (number) => side.has(number), "checkbox", (number) => { if (!side.delete(number)) side.add(number); redraw(); }),
      button(one, () => { act({ do: one.name, lanes: [...side].sort() }); side.clear(); redraw(); })));
  }
  const small = [...of("choice").map((one) => choice(one, act)), ...of("slider").filter((one) => one.lane === null || store.lanes.has(one.lane)).map((one) => slider(one, store, act))];
  if (small.length) rows.push(h("div", { class: "row sliders" }, ...small));
  panel.querySelector(".controls").replaceChildren(...rows);
  if (focused) panel.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

function button(control, click) {
  const found = h("button", { type: "button", title: control.hint, "data-key": `do ${control.name}` }, control.label);
  found.addEventListener("click", click);
  return found;
}

function chips(store, lanes, isOn, role, choose) {
  return lanes.map((number) => {
    const chip = h("button", { type: "button", class: `pick ${isOn(number) ? "is-on" : ""}`, role, "aria-checked": String(isOn(number)),
      "aria-label": `member ${number}`, title: store.lanes.get(number), "data-key": `${role} ${number}` }, number);
    chip.style.background = fill(number);
    chip.style.color = ink(number);
    chip.addEventListener("click", () => choose(number));
    return chip;
  });
}

const ends = { from: null, to: null };
function pairs(controls, lanes, store, act) {
  ends.from = lanes.includes(ends.from) ? ends.from : lanes[0];
  ends.to = lanes.includes(ends.to) ? ends.to : lanes[1];
  const select = (which, words) => {
    const found = h("select", { "aria-label": words, "data-key": `select ${which}` }, ...lanes.map((number) => new Option(store.lanes.get(number), number, false, number === ends[which])));
    found.addEventListener("change", () => { ends[which] = Number(found.value); });
    return found;
  };
  return h("div", { class: "row" }, h("span", { class: "what" }, "From"), select("from", "from"), h("span", { class: "what" }, "to"), select("to", "to"),
    ...controls.map((one) => button(one, () => act({ do: one.name, from: ends.from, to: ends.to }))));
}

function choice(control, act) {
  const select = h("select", { "data-key": `choice ${control.name}` }, ...control.options.map((option, index) => new Option(option, option, false, index === control.value)));
  select.addEventListener("change", () => { control.value = select.selectedIndex; act({ do: control.name, value: select.value }); });
  return h("label", { title: control.hint }, control.label, " ", select);
}

function slider(control, store, act) {
  const input = h("input", { type: "range", min: control.low, max: control.high, step: control.step, value: control.value, "data-key": `slider ${control.name} ${control.lane}` });
  const shown = h("output", {}, `${control.value} ${control.unit}`);
  input.addEventListener("input", () => { shown.textContent = `${input.value} ${control.unit}`; });
  input.addEventListener("change", () => {
    control.value = Number(input.value);
    act({ do: control.name, value: control.value, ...(control.lane === null ? {} : { lane: control.lane }) });
  });
  const who = control.lane === null ? "" : ` of ${store.lanes.get(control.lane) ?? control.lane}`;
  return h("label", { title: control.hint }, `${control.label}${who} `, input, shown);
}
