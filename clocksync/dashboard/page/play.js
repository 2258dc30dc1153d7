// The playground: what to play with, a session behind the page, a scene's words, what is clicked.

import { able } from "./controls.js";
import { fill, h, ink } from "./svg.js";
import { sketch } from "./sketch.js";
import { rich } from "./rich.js";
import { sign } from "./story.js";
import * as why from "./why.js";

const SPEEDS = [0.25, 0.5, 1, 2, 4];
const ERROR_MS = 6000;
const AGAIN_MS = [100, 300, 1000];
const byId = (id) => document.getElementById(id);

// Browsers break off what is under way when a network comes or goes, be it another one: what may be
// asked twice is asked again.
async function insist(address, options) {
  for (const wait of AGAIN_MS) {
    try {
      return await fetch(address, options);
    } catch {
      await new Promise((done) => setTimeout(done, wait));
    }
  }
  return fetch(address, options);
}

export class Play {
  constructor({ transport, store, connect, idle }) {
    Object.assign(this, { transport, store, connect, idle });
    this.isOn = false;
    this.session = null;
    this.catalogue = [];
    transport.act = (action) => this.act(action);
    transport.chosen = null;
    transport.chosenSide = null;
  }

  // Behind this page there is a playground.
  async begin() {
    if (this.isOn) return;
    this.isOn = true;
    document.body.classList.add("plays");
    this.transport.watch({
      run: (wanted) => this.run(wanted),
      speed: (value) => this.ask({ time: { speed: value } }),
      speeds: SPEEDS,
    });
    this.catalogue = await (await insist("play")).json();
    this.listen();
    await this.route();
    document.documentElement.dataset.ready = "";
  }

  // Where one is: #play, #play/ring, #play/ring/agreed

  async route() {
    const [, stage, scene] = location.hash.replace(/^#/, "").split("/");
    const known = this.catalogue.find((one) => one.name === stage);
    if (!known) {
      this.leave();
      return;
    }
    if (this.at === `${stage}/${scene}`) return;
    this.at = `${stage}/${scene}`;
    const { session, error } = await this.post("play", { stage, scene: scene || null }, insist);
    if (error) {
      this.complain(error);
      this.leave();
      return;
    }
    this.enter(session);
  }

  enter(session) {
    this.session = session;
    this.tries = 0;
    document.body.classList.add("in-stage");
    byId("menu").hidden = true;
    byId("home").hidden = false;
    this.connect(`play/${session}`);
    scrollTo(0, 0);
  }

  leave() {
    this.session = this.at = null;
    document.body.classList.remove("in-stage");
    this.idle();
    this.menu();
  }

  menu() {
    byId("title").textContent = "Playground";
    document.title = "Playground · clocksync";
    byId("home").hidden = true;
    const first = this.catalogue[0];
    const walk = first.scenes[0];
    byId("menu").hidden = false;
    byId("menu").replaceChildren(
      h("p", { class: "lead" }, "Programs on several machines that agree on what happened, although machines die and networks break. Here they run in a made-up world: try to make them disagree."),
      h("div", { class: "first" },
        card(first, walk, "Start here", "walk"),
        h("a", { class: "card free", href: `#play/${first.name}` }, h("small", {}, "Play freely"), h("strong", {}, first.title), h("span", {}, ...rich(first.intro)))),
      h("h2", {}, "What is promised, and what can't happen"),
      h("div", { class: "cards" }, ...first.scenes.slice(1).map((scene) => card(first, scene, "A scene"))),
      ...this.catalogue.slice(1).flatMap((stage) => [
        h("h2", {}, stage.title),
        h("div", { class: "cards" },
          h("a", { class: "card free", href: `#play/${stage.name}` }, h("small", {}, "Play freely"), h("strong", {}, stage.title), sketch(stage.name), h("span", {}, ...rich(stage.intro))),
          ...stage.scenes.map((scene) => card(stage, scene, "A scene")))]));
  }

  // To the server

  async post(address, wish, send = fetch) {
    try {
      const answer = await send(address, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(wish) });
      return answer.ok ? await answer.json() : { error: (await answer.text()).trim() };
    } catch {
      return { error: "the server does not answer" };
    }
  }

  async ask(wish) {
    if (!this.session) return;
    const { error } = await this.post(`play/${this.session}`, wish);
    if (error) this.complain(error);
  }

  act(action) {
    this.transport.catchUp(); // what is done is done now
    return this.ask({ act: action });
  }

  run(wanted) {
    const { step } = this.store();
    if (wanted && step?.is_over && this.store().about?.scene) this.next(1);
    else this.ask({ time: { runs: wanted } });
  }

  complain(text) {
    byId("trouble").textContent = text;
    byId("trouble").hidden = false;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { byId("trouble").hidden = true; }, ERROR_MS);
  }

  // The stream was lost, and does not come back: the session has ended.
  isLost() {
    if (!this.session) return false;
    this.at = null;
    this.complain("this game has ended, since nobody looked: it begins anew");
    this.route();
    return true;
  }

  // A scene

  next(by) {
    const { about, step } = this.store();
    const to = (step?.step ?? 0) + by;
    if (!about?.scene || to < 0) return;
    if (to >= about.scene.steps.length) {
      location.hash = "#play";
      return;
    }
    this.transport.catchUp();
    this.ask({ step: to });
  }

  guide() {
    const { about, step } = this.store();
    const panel = byId("guide");
    panel.hidden = !about?.scene || !step;
    document.body.classList.toggle("in-scene", !panel.hidden);
    if (panel.hidden) return;
    const said = this.store().says.findLast((one) => one.verdict && one.at_s >= step.at_s - 1 && this.isOfStep(one));
    const key = `${about.scene.name}/${step.step}/${step.is_over}/${said?.title}`;
    if (panel.dataset.key === key) return;
    panel.dataset.key = key;
    const { steps } = about.scene;
    const { title, text } = steps[step.step];
    const isLast = step.step === steps.length - 1;
    byId("guide-dots").replaceChildren(...steps.map((one, index) => h("li", { class: index === step.step ? "now" : index < step.step ? "done" : "", title: one.title })));
    byId("guide-count").textContent = `${step.step + 1} of ${steps.length}`;
    byId("guide-title").textContent = title;
    byId("guide-text").replaceChildren(...rich(text));
    byId("guide-verdict").hidden = !said;
    byId("guide-verdict").className = said?.verdict ?? "";
    byId("guide-verdict").replaceChildren(...(said ? [h("strong", {}, sign(said.verdict), said.title), h("span", {}, ...rich(said.text))] : []));
    byId("guide-back").disabled = step.step === 0;
    byId("guide-next").textContent = isLast ? "To the menu" : "Next";
    byId("guide-next").classList.toggle("is-due", step.is_over);
  }

  // Verdicts of an earlier step are not this one's.
  isOfStep(said) {
    const { guides, step } = this.store();
    const begun = guides.find((one) => one.step === step.step && one.at_s >= guides.at(-1).at_s - 100);
    return said.at_s >= (begun?.at_s ?? 0) - 1e-6;
  }

  // What is clicked

  listen() {
    addEventListener("hashchange", () => this.route());
    byId("guide-next").addEventListener("click", () => this.next(1));
    byId("guide-back").addEventListener("click", () => this.next(-1));
    byId("guide-free").addEventListener("click", () => this.ask({ step: null }));
    byId("anew").addEventListener("click", () => { this.transport.catchUp(); this.ask({ anew: true }); });
    byId("net").addEventListener("touch", (event) => this.touch(event.detail));
    byId("told").addEventListener("choose", (event) => { this.transport.chosen = event.detail; });
    byId("spacetime").addEventListener("act", (event) => this.act(event.detail));
    byId("why-before").addEventListener("click", () => this.choose(-1));
    byId("why-after").addEventListener("click", () => this.choose(1));
    byId("why-newest").addEventListener("click", () => { this.transport.chosen = null; });
    document.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("pointerdown", (event) => {
      if (!event.target.closest("#member-menu, .person")) this.closeMenu();
    });
  }

  choose(by) {
    const { known, message } = why.shown(this.store(), this.transport.at, this.transport);
    this.transport.chosen = known[known.indexOf(message) + by]?.name ?? this.transport.chosen;
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || !this.session) return;
    if (event.target.matches("input, select, textarea")) return;
    if (event.key === "Escape") this.closeMenu(true);
    if (event.key === "Enter" && event.target === document.body) this.next(1);
    if (event.key === "Backspace") this.next(-1);
    if (/^[1-9]$/.test(event.key) && !event.target.closest("[role=menu]")) {
      document.querySelector(`#net [data-member="${event.key}"]`)?.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    }
  }

  touch({ what, number, from, to, target }) {
    const store = this.store();
    if (store.about.scene) {
      this.complain("a scene is playing: choose “Play on from here” to take over");
      return;
    }
    if (what === "link") {
      const isCut = store.isCut(from, to, Infinity) || store.isCut(to, from, Infinity);
      this.act({ do: isCut ? "mend" : "cut_both", from, to });
    } else this.openMenu(number, target);
  }

  openMenu(number, target) {
    this.closeMenu();
    const choices = able(this.store(), number);
    if (!choices.length) return;
    const chip = h("span", { class: "member" }, number);
    chip.style.background = fill(number);
    chip.style.color = ink(number);
    const menu = h("div", { id: "member-menu", role: "menu", "aria-label": `Member ${number}` }, h("p", {}, chip, ` ${this.store().howAt(number, Infinity)?.state ?? ""}`),
      ...choices.map((one) => {
        const item = h("button", { type: "button", role: "menuitem", title: one.hint }, one.label);
        item.addEventListener("click", () => { this.closeMenu(true); this.act({ do: one.name, lane: number }); });
        return item;
      }));
    const panel = byId("net");
    panel.append(menu);
    const box = target.querySelector(".node").getBoundingClientRect(), frame = panel.getBoundingClientRect();
    const left = box.right - frame.left + 8, top = Math.min(box.top - frame.top, frame.height - menu.offsetHeight - 8);
    menu.style.left = `${left + menu.offsetWidth > frame.width - 4 ? box.left - frame.left - menu.offsetWidth - 8 : left}px`;
    menu.style.top = `${Math.max(4, top)}px`;
    this.opener = target;
    menu.addEventListener("keydown", (event) => walk(menu, event, () => this.closeMenu(true)));
    menu.querySelector("button").focus();
  }

  closeMenu(refocus = false) {
    const menu = byId("member-menu");
    if (!menu) return;
    menu.remove();
    if (refocus) this.opener?.focus();
  }
}

function walk(menu, event, close) {
  const items = [...menu.querySelectorAll("button")];
  const here = items.indexOf(document.activeElement);
  const to = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: items.length - 1 }[event.key];
  if (event.key === "Tab") close();
  if (to === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  items[(to + items.length) % items.length].focus();
}

function card(stage, scene, kind, more = "") {
  return h("a", { class: `card ${more}`, href: `#play/${stage.name}/${scene.name}` },
    h("small", {}, kind), h("strong", {}, scene.title), sketch(scene.name), h("span", {}, ...rich(scene.text)));
}

