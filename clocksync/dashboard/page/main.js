// The page: a stream fills the store, the transport says which time is shown, panels draw it.

import * as changes from "./changes.js";
import * as clocks from "./clocks.js";
import * as flight from "./flight.js";
import { judge } from "./health.js";
import * as locks from "./locks.js";
import * as order from "./order.js";
import * as overview from "./overview.js";
import * as rates from "./rates.js";
import * as ring from "./ring.js";
import * as stamps from "./stamps.js";
import { Store } from "./store.js";
import { duration } from "./svg.js";
import { Transport } from "./transport.js";

const byId = (id) => document.getElementById(id);
const FRAME_MS = 30;

let store = new Store();
const transport = new Transport(store, byId);

// A panel appears with what it shows.
const PANELS = [
  ["ring", ring, () => store.hasGroup],
  ["order", order, () => store.delivered.length > 0],
  ["flight", flight, () => store.delivered.length > 0 || store.sent.length > 0],
  ["changes", changes, () => store.changes.length > 0],
  ["stamps", stamps, () => store.delivered.length > 0],
  ["rates", rates, () => store.hasGroup],
  ["locks", locks, () => locks.known(store, transport.at) !== null],
  ["clocks", clocks, () => store.clocks.size > 0],
];

function connect(address) {
  const stream = new EventSource(address);
  stream.onmessage = (event) => JSON.parse(event.data).forEach(take);
  stream.onerror = () => source("lost", "connection lost; trying again");
}

function take(message) {
  switch (message.kind) {
    case "hello":
      store = transport.store = new Store();
      byId("title").textContent = message.title;
      document.title = `${message.title} · clocksync`;
      transport.reset(message.live);
      source(message.live ? "live" : "recorded", message.live ? "live" : "recorded");
      note(message.notes);
      byId("clocks").querySelector(".rows").replaceChildren();
      break;
    case "ready":
      transport.ready();
      document.documentElement.dataset.ready = "";
      break;
    case "now":
      transport.hear(message.at_s);
      break;
    case "notes":
      note(message.notes);
      break;
    default:
      store.add(message);
  }
}

function source(kind, text) {
  byId("source").dataset.kind = kind;
  byId("source").textContent = text;
}

function note(notes) {
  byId("notes").hidden = !notes.length;
  byId("notes").textContent = notes.join(" · ");
}

function show() {
  for (const [id, panel, has] of PANELS) {
    const element = byId(id);
    element.hidden = !has();
    if (!element.hidden) panel.draw(element, store, transport.at, transport);
  }
  document.body.classList.toggle("has-group", store.hasGroup);
  document.body.classList.toggle("has-clocks", store.clocks.size > 0);
  const { level, text } = judge(store, transport.at);
  const health = byId("health");
  if (health.textContent !== text) health.textContent = text;
  health.dataset.level = level;
  const { begin, end, at } = transport;
  const slider = byId("slider");
  if (document.activeElement !== slider || transport.isPlaying) {
    slider.value = end > begin ? (1000 * (at - begin)) / (end - begin) : 0;
  }
  const words = transport.follows ? "now" : transport.now ? `${duration(end - at)} ago` : `${(at - begin).toFixed(4)} s`;
  byId("clock").textContent = words;
  byId("clock").dataset.at = at;
  slider.setAttribute("aria-valuetext", words);
  byId("live").classList.toggle("is-on", transport.follows);
  overview.draw(byId("overview"), store, transport);
}

byId("help-button").addEventListener("click", () => {
  const help = byId("help");
  help.hidden = !help.hidden;
  byId("help-button").setAttribute("aria-expanded", String(!help.hidden));
});

let before = performance.now(), shown = null;
function frame(now) {
  requestAnimationFrame(frame);
  if (now - before < FRAME_MS) return;
  transport.tick((now - before) / 1000);
  before = now;
  // What stands still, and has nothing new, is not drawn again but to end a glide.
  const state = [transport.at, store.count, innerWidth, Math.floor(now / 500)].join();
  if (state === shown) return;
  show();
  shown = order.isGliding() ? null : state;
}
connect("stream");
requestAnimationFrame(frame);
