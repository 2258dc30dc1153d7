// The page: a stream fills the store, the transport says which time is shown, panels draw it.

import * as changes from "./changes.js";
import * as clocks from "./clocks.js";
import * as controls from "./controls.js";
import { Facts } from "./facts.js";
import * as flight from "./flight.js";
import { judge } from "./health.js";
import * as locks from "./locks.js";
import * as net from "./net.js";
import * as order from "./order.js";
import * as overview from "./overview.js";
import { Play } from "./play.js";
import * as rates from "./rates.js";
import * as readings from "./readings.js";
import * as ring from "./ring.js";
import * as spacetime from "./spacetime.js";
import * as stamps from "./stamps.js";
import { Store } from "./store.js";
import * as story from "./story.js";
import { duration } from "./svg.js";
import * as told from "./told.js";
import { Transport } from "./transport.js";
import * as why from "./why.js";

const byId = (id) => document.getElementById(id);
const FRAME_MS = 30;

let store = new Store();
let stream = null;
const transport = new Transport(store, byId);
const play = new Play({ transport, store: () => store, connect, idle });

// A panel appears with what it shows.
const PANELS = [
  ["ring", ring, () => store.hasGroup && !store.plays],
  ["order", order, () => store.delivered.length > 0 && !store.plays],
  ["flight", flight, () => store.delivered.length > 0 || store.sent.length > 0],
  ["changes", changes, () => store.changes.length > 0 && !store.plays],
  ["stamps", stamps, () => store.delivered.length > 0 && !store.plays],
  ["rates", rates, () => store.hasGroup && !store.plays],
  ["locks", locks, () => locks.known(store, transport.at) !== null],
  ["clocks", clocks, () => store.clocks.size > 0],
  ["net", net, () => net.has(store)],
  ["why", why, () => why.has(store)],
  ["told", told, () => told.has(store)],
  ["spacetime", spacetime, () => store.plays && spacetime.has(store)],
  ["readings", readings, () => store.plays && readings.has(store)],
  ["controls", controls, () => controls.has(store)],
  ["story", story, () => story.has(store)],
];

function connect(address) {
  stream?.close();
  const mine = (stream = new EventSource(address));
  stream.onmessage = (event) => JSON.parse(event.data).forEach(take);
  stream.onerror = () => {
    if (mine === stream && mine.readyState === EventSource.CLOSED && play.isLost()) return;
    source("lost", "connection lost; trying again");
  };
}

// Nothing is looked at.
function idle() {
  stream?.close();
  stream = null;
  store = transport.store = new Store();
  transport.now = null;
}

function take(message) {
  switch (message.kind) {
    case "hello":
      if (message.plays && !play.isOn) {
        idle();
        play.begin();
        break;
      }
      store = transport.store = message.plays ? new Facts() : new Store();
      byId("title").textContent = message.title;
      document.title = `${message.title} · clocksync`;
      transport.reset(message.live);
      if (message.plays) source("simulated", "simulated");
      else source(message.live ? "live" : "recorded", message.live ? "live" : "recorded");
      note(message.notes);
      byId("clocks").querySelector(".rows").replaceChildren();
      break;
    case "ready":
      transport.ready();
      document.documentElement.dataset.ready = "";
      break;
    case "now":
      transport.hear(message);
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
  if (play.isOn) play.guide();
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
  const words = transport.world ? (transport.at >= end || transport.follows ? `${at.toFixed(2)} s` : `${duration(end - at)} ago`)
    : transport.follows ? "now" : transport.now ? `${duration(end - at)} ago` : `${(at - begin).toFixed(4)} s`;
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
  shown = order.isGliding() || told.isGliding() || play.isOn ? null : state;
}
connect("stream");
requestAnimationFrame(frame);
