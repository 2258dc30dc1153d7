// What the playground tells besides: the stage, its scene, links, datagrams, who waits for what.

import { last, Store, upTo } from "./store.js";

const SEEKING = ["seeks a ring", "agrees", "recovers"];
const LOOKED_AT_S = 0.003;
const FRAMES = 6000, SAYS = 400, WHYS = 1500;

function insert(list, item) {
  if (!list.length || list.at(-1).at_s <= item.at_s) list.push(item);
  else list.splice(upTo(list, item.at_s), 0, item);
}

export class Facts extends Store {
  constructor() {
    super();
    this.about = null; // the stage: name, title, intro, controls, scene
    this.guides = [];
    this.says = [];
    this.lanes = new Map(); // number: name, for who may be asked to do something
    this.can = new Map(); // number: names of what can be done there now
    this.how = new Map(); // member: how it was, when
    this.links = new Map(); // "1>2": whether it was cut, when
    this.frames = [];
    this.byFrame = new Map();
    this.why = new Map(); // message: member: how it stood, when
    this.columns = new Map(); // messages and configurations, with when each member was told
    this.told = new Map(); // member: columns in the order in which it was told
    this.sorted = null;
  }

  get plays() { return true; }
  get step() { return this.guides.at(-1) ?? null; }

  add(message) {
    super.add(message);
    const take = this[`play_${message.kind}`];
    if (!take) return;
    take.call(this, message);
    this.count += 1;
    if (Number.isFinite(message.at_s)) {
      this.begin = Math.min(this.begin, message.at_s);
      this.end = Math.max(this.end, message.at_s);
    }
  }

  play_stage(told) { this.about = told; }
  play_guide(told) { this.guides.push(told); }
  play_can(told) { this.can.set(told.lane, told.names); this.name(told.lane); }
  play_lane(told) { this.name(told.lane, told.state === "gone" ? null : told.name); }

  name(lane, name = `${lane}`) {
    if (name === null) this.lanes.delete(lane);
    else if (!this.lanes.has(lane) || name !== `${lane}`) this.lanes.set(lane, name);
  }

  play_say(told) {
    insert(this.says, told);
    if (this.says.length > SAYS) this.says.splice(0, SAYS / 2);
  }

  play_member(told) {
    if (!this.how.has(told.node)) this.how.set(told.node, []);
    insert(this.how.get(told.node), told);
  }

  play_link(told) {
    const key = `${told.from}>${told.to}`;
    if (!this.links.has(key)) this.links.set(key, []);
    insert(this.links.get(key), told);
  }

  play_frame(told) {
    const frame = { ...told, lost_s: told.lost ? told.at_s : null };
    insert(this.frames, frame);
    this.byFrame.set(told.id, frame);
    if (this.frames.length > FRAMES) {
      for (const old of this.frames.splice(0, FRAMES / 2)) this.byFrame.delete(old.id);
    }
  }

  play_lost(told) {
    const frame = this.byFrame.get(told.id);
    if (frame) Object.assign(frame, { lost: told.why, lost_s: told.at_s });
  }

  play_why(told) {
    let rows = this.why.get(told.message);
    if (!rows) {
      this.why.set(told.message, (rows = new Map()));
      if (this.why.size > WHYS) this.why.delete(this.why.keys().next().value);
    }
    if (!rows.has(told.node)) rows.set(told.node, []);
    insert(rows.get(told.node), told);
  }

  play_sent(told) {
    const message = this.message(told.message);
    message.label = told.label;
    if (this.columns.has(message.name)) return;
    this.columns.set(message.name, { key: message.name, at_s: told.at_s, got: new Map(), message });
    this.sorted = null;
  }

  play_got(told) {
    this.message(told.message).label = told.label;
    this.place(told.node, told.message, told, { message: this.message(told.message) });
  }

  play_change(told) { this.place(told.node, told.id, told, { change: told }); }
  play_boot(told) { this.place(told.node, `boot ${told.node} ${told.at_s}`, told, { life: "starts" }); }
  play_end(told) { this.place(told.node, `end ${told.node} ${told.at_s}`, told, { life: told.how }); }

  // A member was told of something, at its place among all else it was told.
  place(node, key, { at_s }, what) {
    let column = this.columns.get(key);
    if (!column) this.columns.set(key, (column = { key, at_s, got: new Map(), ...what }));
    column.got.set(node, at_s);
    column.at_s = Math.min(column.at_s, at_s);
    if (!this.told.has(node)) this.told.set(node, []);
    this.told.get(node).push(column);
    this.sorted = null;
    if (this.columns.size > WHYS) this.forgetColumns();
  }

  forgetColumns() {
    const old = new Set([...this.columns.keys()].slice(0, WHYS / 2));
    for (const key of old) this.columns.delete(key);
    for (const [node, list] of this.told) this.told.set(node, list.filter((column) => !old.has(column.key)));
  }

  // All columns in an order that agrees with every member's, if there is one; the newest last.
  get order() {
    if (!this.sorted) this.sorted = sort([...this.columns.values()], this.told);
    return this.sorted;
  }

  // What was, at a time

  howAt(node, at) { return last(this.how.get(node) ?? [], at); }
  isCut(from, to, at) { return last(this.links.get(`${from}>${to}`) ?? [], at)?.is_cut ?? false; }
  // What waits for what is looked at now and then: what is found a moment later holds already.
  whyAt(message, node, at) {
    const told = this.why.get(message)?.get(node) ?? [];
    return last(told, at) ?? (told[0] && told[0].at_s - at < LOOKED_AT_S ? told[0] : undefined);
  }

  member(number, at) {
    const found = super.member(number, at);
    const seeks = SEEKING.includes(this.howAt(number, at)?.state);
    return found.is === "up" && seeks ? { ...found, is: "looking" } : found;
  }

  saidUntil(at) { return this.says.slice(0, upTo(this.says, at)); }
}

// After Kahn: what everybody was told before it comes first; of those that are free, the oldest.
function sort(columns, told) {
  const waiting = new Map(columns.map((column) => [column, 0]));
  const after = new Map(columns.map((column) => [column, []]));
  for (const list of told.values()) {
    for (let index = 1; index < list.length; index += 1) {
      after.get(list[index - 1])?.push(list[index]);
      waiting.set(list[index], waiting.get(list[index]) + 1);
    }
  }
  const left = [...columns].sort((a, b) => a.at_s - b.at_s);
  const found = [];
  while (left.length) {
    let index = left.findIndex((column) => waiting.get(column) <= 0);
    if (index < 0) index = 0; // there is no order: somebody lies
    const [column] = left.splice(index, 1);
    found.push(column);
    for (const next of after.get(column)) waiting.set(next, waiting.get(next) - 1);
  }
  return found;
}
