// What a stage of the playground tells, kept so that any moment can be drawn: lanes, arrows,
// marks, spans, readings, and what to read. Lists are in the order of time.

import { upTo } from "./store.js";

function insert(list, item) {
  if (!list.length || list.at(-1).at_s <= item.at_s) list.push(item);
  else list.splice(upTo(list, item.at_s), 0, item);
}

const KINDS = ["lane", "arrow", "mark", "span", "reading", "say"];
const KEEP = 40_000; // of a list

export class StageStore {
  constructor() {
    this.lanes = new Map(); // number: what it was, and from when on
    this.arrows = [];
    this.spans = [];
    this.marks = [];
    this.readings = new Map(); // lane and name: readings
    this.says = [];
    this.byId = new Map(); // arrows and spans, which are told again
    this.view_s = null; // how much time is to be in view; null: nothing tells a space-time picture
  }

  takes(kind) { return KINDS.includes(kind); }

  // Keeps a message; returns the moments at which something happens, for stepping.
  add(told) {
    const { kind, at_s } = told;
    if (kind === "arrow" || kind === "span") return this.again(told);
    if (kind === "lane") {
      if (told.view_s) this.view_s = told.view_s;
      insert(this.listOf(this.lanes, told.lane), told);
    } else if (kind === "reading") {
      insert(this.listOf(this.readings, `${told.lane}/${told.name}`), told);
      return [];
    } else if (kind === "mark") {
      insert(this.trimmed(this.marks), told);
      if (told.tone === "tick") return [];
    } else insert(this.says, told);
    return [at_s];
  }

  // Something that was told before takes its place.
  again(told) {
    const known = this.byId.get(told.id);
    if (known) {
      Object.assign(known, told);
      return [told.until_s ?? told.lost_s ?? told.at_s];
    }
    const kept = { ...told };
    this.byId.set(told.id, kept);
    insert(told.kind === "arrow" ? this.arrows : this.spans, kept);
    return told.kind === "arrow" && told.got_s !== null ? [told.at_s, told.got_s] : [told.at_s];
  }

  listOf(map, key) {
    if (!map.has(key)) map.set(key, []);
    return this.trimmed(map.get(key));
  }

  trimmed(list) {
    if (list.length > KEEP) list.splice(0, KEEP / 2);
    return list;
  }

  // What is long past goes; what lanes were then stays.
  forget(from) {
    this.arrows = this.arrows.slice(upTo(this.arrows, from));
    this.spans = this.spans.filter((span) => span.until_s === null || span.until_s > from);
    this.marks = this.marks.slice(upTo(this.marks, from));
    this.byId = new Map([...this.arrows, ...this.spans].map((one) => [one.id, one]));
  }

  // What was, at a time

  // Lanes that are there, the lowest first, each as it was: {lane, name, state, since}.
  lanesAt(at) {
    const found = [];
    for (const [lane, told] of this.lanes) {
      const now = told[upTo(told, at) - 1];
      if (now && now.state !== "gone") found.push({ lane, name: now.name, state: now.state ?? "up", told });
    }
    return found.sort((a, b) => a.lane - b.lane);
  }

  sayAt(at) { return this.says[upTo(this.says, at) - 1]; }
}
