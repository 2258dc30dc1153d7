// The time that is shown: it plays, stands, follows what happens now, and steps from event to event.

import { upTo } from "./store.js";

const SPEEDS = [0.001, 0.01, 0.1, 1, 10];
const LATE_S = 0.7; // what happens now is shown so much later, when all have told of it
const names = { 0.001: "1/1000", 0.01: "1/100", 0.1: "1/10", 1: "as it was", 10: "10 ×" };

export class Transport {
  constructor(store, byId) {
    this.store = store;
    this.at = 0;
    this.speed = 1;
    this.isPlaying = true;
    this.follows = false;
    this.now = null; // {at_s, heard}
    this.byId = byId;
    for (const speed of SPEEDS) byId("speed").append(new Option(names[speed], speed));
    this.listen();
  }

  reset(live) {
    this.play(live);
    this.follows = live;
    this.isPlaced = false;
    this.now = null;
    this.setSpeed(live ? 1 : 0.1);
  }

  hear(at_s) {
    this.now = { at_s, heard: performance.now() };
    this.byId("live").hidden = false;
  }

  get present() {
    if (!this.now) return this.store.end;
    return this.now.at_s + (performance.now() - this.now.heard) / 1000 - LATE_S;
  }

  get begin() { return Number.isFinite(this.store.begin) ? this.store.begin : 0; }
  get end() { return Math.max(this.begin, this.now ? Math.max(this.present, this.begin) : this.store.end); }

  // All that there is has come: a recording begins to play, at a speed one can follow.
  ready() {
    if (this.follows || this.isPlaced) return;
    this.isPlaced = true;
    const { sent, delivered } = this.store;
    const messages = Math.max(sent.length, delivered.length);
    const density = messages / Math.max(1e-3, this.store.end - this.begin);
    const wanted = 8 / Math.max(density, 0.1);
    this.setSpeed(SPEEDS.reduce((best, one) =>
      Math.abs(Math.log(one / wanted)) < Math.abs(Math.log(best / wanted)) ? one : best));
    this.go(this.begin);
    this.play(true);
  }

  tick(elapsed) {
    if (this.follows) this.at = this.end;
    else if (this.isPlaying) {
      this.at += elapsed * this.speed;
      if (this.at >= this.end) {
        this.at = this.end;
        if (this.now) this.follow(); else this.play(false);
      }
    }
    if (this.at < this.begin) this.at = this.begin;
  }

  follow() {
    this.follows = true;
    this.setSpeed(1);
    this.play(true);
  }

  play(wanted) {
    if (wanted && !this.now && this.at >= this.end && this.end > this.begin) this.at = this.begin;
    this.isPlaying = wanted;
    if (!wanted) this.follows = false;
    const button = this.byId("play");
    button.classList.toggle("playing", wanted);
    button.setAttribute("aria-label", wanted ? "Pause" : "Play");
  }

  go(at) {
    this.follows = false;
    this.at = Math.min(Math.max(at, this.begin), this.end);
  }

  step(count) {
    this.play(false);
    const { moments } = this.store;
    const here = upTo(moments, this.at);
    if (count > 0) {
      const to = moments[Math.min(here + count - 1, moments.length - 1)];
      if (to) this.go(Math.max(to.at_s, this.at));
      return;
    }
    let to = here - 1;
    for (let left = -count; left > 0 && to >= 0; left -= 1) {
      const at = moments[to].at_s;
      while (to >= 0 && moments[to].at_s >= at) to -= 1;
    }
    this.go(moments[Math.max(0, to)]?.at_s ?? this.begin);
  }

  jump(way) {
    const changes = this.store.changes.map((change) => change.at_s);
    const near = 1e-9;
    const to = way > 0
      ? changes.find((at) => at > this.at + near)
      : changes.findLast((at) => at < this.at - near);
    if (to !== undefined) this.go(to);
  }

  setSpeed(speed) {
    this.speed = speed;
    this.byId("speed").value = speed;
  }

  faster(way) {
    this.follows = false;
    const index = SPEEDS.indexOf(this.speed) + way;
    this.setSpeed(SPEEDS[Math.min(Math.max(index, 0), SPEEDS.length - 1)]);
  }

  listen() {
    const on = (id, event, act) => this.byId(id).addEventListener(event, act);
    on("play", "click", () => this.play(!this.isPlaying));
    on("back", "click", () => this.step(-1));
    on("on", "click", () => this.step(1));
    on("previous", "click", () => this.jump(-1));
    on("next", "click", () => this.jump(1));
    on("live", "click", () => this.follow());
    on("speed", "change", (event) => {
      this.follows = false;
      this.setSpeed(Number(event.target.value));
    });
    on("slider", "input", (event) => {
      const share = event.target.value / 1000;
      this.go(this.begin + share * (this.end - this.begin));
    });
    document.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const isChoosing = event.target.tagName === "SELECT";
    const isButton = event.target.tagName === "BUTTON" || event.target.tagName === "SUMMARY";
    const acts = {
      ArrowLeft: () => this.step(event.shiftKey ? -10 : -1),
      ArrowRight: () => this.step(event.shiftKey ? 10 : 1),
      n: () => this.jump(1),
      p: () => this.jump(-1),
      l: () => this.now && this.follow(),
      "+": () => this.faster(1),
      "-": () => this.faster(-1),
      "?": () => this.byId("help-button").click(),
    };
    if (event.key === " " && !isButton && !isChoosing) acts[" "] = () => this.play(!this.isPlaying);
    const act = isChoosing ? undefined : acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}
