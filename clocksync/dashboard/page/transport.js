// The time that is shown: it plays, stands, follows what happens now, and steps from event to event.

import { upTo } from "./store.js";

const SPEEDS = [0.001, 0.01, 0.1, 1, 10];
const LATE_S = 0.7; // what happens now is shown so much later, when all have told of it
const WORLD_LATE_S = 0.35; // of watching, in the playground: what comes meanwhile is drawn on its way
const ROUNDING_S = 1e-6; // what happens now is not to be a billionth of a second later
const BEHIND_S = 1.5; // of watching: further behind one does not walk, but jumps
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
    this.pace = 0.05; // s of the world for one of watching
    this.isRunning = false;
    this.world = null; // of the playground: {run(wanted), speed(value), speeds, pace}
    this.offer(SPEEDS, (speed) => names[speed]);
    this.listen();
  }

  offer(speeds, name) {
    this.speeds = speeds;
    this.byId("speed").replaceChildren(...speeds.map((speed) => new Option(name(speed), speed)));
  }

  // From now on the time that is shown is that of a world that can be stopped; null: of a stream.
  watch(world) {
    this.world = world;
    if (world) this.offer(world.speeds, (speed) => (speed === 1 ? "usual" : `${speed} ×`));
    else this.offer(SPEEDS, (speed) => names[speed]);
  }

  reset(live) {
    this.play(live);
    this.follows = live;
    this.isPlaced = false;
    this.now = null;
    this.setSpeed(live ? 1 : 0.1);
  }

  hear({ at_s, rate, speed, runs }) {
    this.now = { at_s, rate: rate ?? 1, heard: performance.now() };
    this.byId("live").hidden = false;
    if (!this.world) return;
    this.isRunning = runs && rate > 0;
    if (rate > 0) this.pace = rate;
    this.setSpeed(speed);
    if (this.follows) this.mark(this.isRunning || this.at < this.end);
  }

  get present() {
    if (!this.now) return this.store.end;
    const { at_s, rate, heard } = this.now;
    const since = (performance.now() - heard) / 1000;
    if (!this.world) return at_s + since - LATE_S;
    return at_s + (rate ? rate * (since - WORLD_LATE_S) : ROUNDING_S);
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
    if (this.follows && this.world) this.approach(elapsed);
    else if (this.follows) this.at = this.end;
    else if (this.isPlaying) {
      this.at += elapsed * (this.world ? this.pace : this.speed);
      if (this.at >= this.end) {
        this.at = this.end;
        if (this.now) this.follow(); else this.play(false);
      }
    }
    if (this.at < this.begin) this.at = this.begin;
  }

  // Towards what happens now, without a jump when the world stops or goes on.
  approach(elapsed) {
    const step = elapsed * this.pace;
    const behind = this.end - this.at;
    if (behind < 0 || behind > BEHIND_S * this.pace) this.at = this.end;
    else this.at += Math.min(behind, this.isRunning ? Math.max(step, behind - WORLD_LATE_S * this.pace) : step);
    if (!this.isRunning) this.mark(this.at < this.end);
  }

  // To what happens now, whether or not it goes on.
  catchUp() {
    this.follows = this.isPlaying = true;
    this.mark(this.isRunning);
  }

  follow() {
    this.follows = true;
    if (!this.world) this.setSpeed(1);
    this.play(true);
  }

  play(wanted) {
    if (this.world) {
      if (!wanted && this.isRunning) this.world.run(false);
      if (wanted && this.at >= this.end) this.follows = true;
      if (wanted && this.follows) {
        this.isPlaying = true;
        this.world.run(true);
        return;
      }
      if (!wanted && this.follows) return; // it stands as soon as the world does
    }
    if (wanted && !this.now && this.at >= this.end && this.end > this.begin) this.at = this.begin;
    this.isPlaying = wanted;
    if (!wanted) this.follows = false;
    this.mark(wanted);
  }

  mark(plays) {
    const button = this.byId("play");
    button.classList.toggle("playing", plays);
    button.setAttribute("aria-label", plays ? "Pause" : "Play");
  }

  get isMoving() { return this.world && this.follows ? this.isRunning : this.isPlaying; }

  go(at) {
    if (this.world && this.isRunning) this.world.run(false);
    this.follows = false;
    if (this.world) this.isPlaying = false;
    this.at = Math.min(Math.max(at, this.begin), this.end);
  }

  step(count) {
    this.play(false);
    if (this.world) {
      this.follows = this.isPlaying = false;
      this.mark(false);
    }
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
    const index = this.speeds.indexOf(this.speed) + way;
    this.choose(this.speeds[Math.min(Math.max(index, 0), this.speeds.length - 1)]);
  }

  choose(speed) {
    if (this.world) {
      this.world.speed(speed);
      return;
    }
    this.follows = false;
    this.setSpeed(speed);
  }

  listen() {
    const on = (id, event, act) => this.byId(id).addEventListener(event, act);
    on("play", "click", () => this.play(!this.isMoving));
    on("back", "click", () => this.step(-1));
    on("on", "click", () => this.step(1));
    on("previous", "click", () => this.jump(-1));
    on("next", "click", () => this.jump(1));
    on("live", "click", () => this.follow());
    on("speed", "change", (event) => this.choose(Number(event.target.value)));
    on("slider", "input", (event) => {
      const share = event.target.value / 1000;
      this.go(this.begin + share * (this.end - this.begin));
    });
    document.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const isTyping = event.target.tagName === "INPUT" && event.target.id !== "slider";
    const isChoosing = event.target.tagName === "SELECT" || isTyping || event.target.closest("[role=menu], .reachable") !== null;
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
    if (event.key === " " && !isButton && !isChoosing) acts[" "] = () => this.play(!this.isMoving);
    const act = isChoosing ? undefined : acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}
