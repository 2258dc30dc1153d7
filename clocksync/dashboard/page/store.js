// All that was told, kept so that any moment can be looked at: everything drawn is a function of
// this and of a time. Lists are in the order of time.

import { StageStore } from "./stagestore.js";

const KEEP = 120_000;

// How many of a list are not later than `at`.
export function upTo(list, at, key = "at_s") {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle][key] <= at) low = middle + 1; else high = middle;
  }
  return low;
}

export const last = (list, at, key) => list[upTo(list, at, key) - 1];

function insert(list, item, key = "at_s") {
  if (!list.length || list.at(-1)[key] <= item[key]) list.push(item);
  else list.splice(upTo(list, item[key], key), 0, item);
}

// Readings that come for as long as somebody looks: the older half goes when there are many.
const READINGS = 10_000;
function read(list, item) {
  insert(list, item);
  if (list.length > READINGS) list.splice(0, READINGS / 2);
}

const representative = (ring) => Number(ring.split(".")[1]);
const difference = (some, others) => some.filter((one) => !others.includes(one));

export class Store {
  constructor() {
    this.nodes = new Map(); // number: {life, sent, got, status, load}
    this.tokens = new Map(); // ring: passings
    this.configurations = new Map();
    this.changes = []; // regular configurations, by when the first member was told
    this.messages = new Map();
    this.sent = []; // messages by when they were sent
    this.delivered = []; // messages by when somebody first delivered them
    this.moments = []; // of events, for stepping
    this.clocks = new Map(); // name: readings
    this.alarms = [];
    this.loads = [];
    this.stage = new StageStore();
    this.begin = Infinity;
    this.end = -Infinity;
    this.count = 0;
  }

  get plays() { return false; }
  get hasGroup() { return this.nodes.size > 0; }
  get members() { return [...this.nodes.keys()].sort((a, b) => a - b); }

  node(number) {
    let node = this.nodes.get(number);
    if (!node) {
      node = { number, life: [], status: [], load: [], got: [], sent: [] };
      this.nodes.set(number, node);
    }
    return node;
  }

  add(message) {
    if (this.stage.takes(message.kind)) { this.addStaged(message); return; }
    const take = this[`on_${message.kind}`];
    if (!take) return;
    this.count += 1;
    take.call(this, message);
    if (message.kind === "load" || message.kind === "notes") return;
    this.begin = Math.min(this.begin, message.at_s);
    this.end = Math.max(this.end, message.at_s);
    const isSteady = message.kind === "status" || (message.kind === "clock" && message.node !== undefined);
    if (!isSteady) insert(this.moments, { at_s: message.at_s });
    if (this.moments.length > KEEP) this.forget();
  }

  // What a stage of the playground tells.
  addStaged(message) {
    this.count += 1;
    this.begin = Math.min(this.begin, message.at_s);
    this.end = Math.max(this.end, message.at_s);
    for (const at_s of this.stage.add(message)) insert(this.moments, { at_s });
    if (this.moments.length > KEEP) this.forget();
  }

  // The older half of what is many; what the state is made of stays.
  forget() {
    this.moments = this.moments.slice(KEEP / 2);
    const from = this.moments[0].at_s;
    this.begin = from;
    const recent = (list, key) => list.slice(Math.max(0, upTo(list, from, key) - 1));
    this.sent = recent(this.sent, "sent_s");
    this.delivered = recent(this.delivered, "first_s");
    this.changes = recent(this.changes);
    this.loads = recent(this.loads);
    this.stage.forget(from);
    for (const [name, message] of this.messages) {
      if (Math.max(message.sent_s ?? 0, message.first_s ?? 0) < from) this.messages.delete(name);
    }
    for (const [ring, passings] of this.tokens) this.tokens.set(ring, recent(passings));
    for (const [host, readings] of this.clocks) this.clocks.set(host, recent(readings));
    for (const node of this.nodes.values()) {
      for (const list of ["life", "status", "load", "got", "sent"]) node[list] = recent(node[list]);
    }
  }

  // What messages do

  on_boot(told) {
    const { life } = this.node(told.node);
    // A status tells of the same boot as a history, to the second.
    const isTwice = life.some((one) => one.kind === "boot" && Math.abs(one.at_s - told.at_s) < 1);
    const isUp = life.length && life.at(-1).kind !== "end";
    if (!(isTwice && isUp)) insert(life, told);
  }
  on_end(told) { insert(this.node(told.node).life, told); }
  on_status(told) { read(this.node(told.node).status, told); }
  on_alarm(told) { read(this.alarms, told); }

  on_change(told) {
    const node = this.node(told.node);
    for (const member of told.members) this.node(member);
    if (!told.is_regular) return;
    const newest = node.life.findLast((one) => one.kind !== "boot");
    if (newest && newest.id === told.id) return; // told twice, by a history and a status
    const before = node.life.findLast((one) => one.kind !== "end" && one.at_s <= told.at_s);
    insert(node.life, told);
    let found = this.configurations.get(told.id);
    if (!found) {
      found = {
        id: told.id, ring: told.ring, members: told.members, at_s: told.at_s, reason: told.reason,
        told: [], joined: told.members, left: [], before: [], alone: [], leads: representative(told.ring),
      };
      this.configurations.set(told.id, found);
      insert(this.changes, found);
    }
    if (!found.told.some((one) => one.node === told.node)) found.told.push({ node: told.node, at_s: told.at_s });
    // Who merely heard that another asks knows least of why.
    if (/asked for a new ring/.test(found.reason)) found.reason = told.reason;
    const was = before && before.kind === "change" ? before.members : difference(told.members, told.joined).concat(told.left);
    if (was.length === 1) found.alone.push(told.node);
    if (was.length > found.before.length) {
      found.before = was;
      found.joined = difference(told.members, was);
      found.left = difference(was, told.members);
    }
  }

  message(name) {
    let found = this.messages.get(name);
    if (!found) {
      const [ring, number] = name.split("/");
      found = { name, ring, number: Number(number), got: new Map(), origin: null, service: "" };
      this.messages.set(name, found);
    }
    return found;
  }

  on_sent(told) {
    const found = this.message(told.message);
    found.origin = told.node;
    found.service = told.service;
    if (found.sent_s === undefined) {
      found.sent_s = told.at_s;
      insert(this.sent, found, "sent_s");
    }
    insert(this.node(told.node).sent, { at_s: told.at_s, ring: found.ring });
  }

  on_got(told) {
    const found = this.message(told.message);
    found.origin = told.origin;
    found.service = told.service;
    if (!found.stamp) {
      found.stamp = BigInt(told.stamp);
      found.error_bound_s = told.error_bound_s;
      found.flags = told.flags;
    }
    found.got.set(told.node, told.at_s);
    if (found.first_s === undefined) {
      found.first_s = told.at_s;
      insert(this.delivered, found, "first_s");
    }
  }

  on_token(told) {
    let passings = this.tokens.get(told.ring);
    if (!passings) this.tokens.set(told.ring, (passings = []));
    insert(passings, told);
  }

  on_load(told) {
    read(this.loads, told);
    read(this.node(told.node).load, told);
    this.end = Math.max(this.end, told.at_s);
  }

  on_clock(told) {
    const name = told.node === undefined ? told.host : `${told.host}, seen by ${told.node}`;
    let readings = this.clocks.get(name);
    if (!readings) this.clocks.set(name, (readings = []));
    read(readings, told);
  }

  // What was, at a time

  member(number, at) {
    const node = this.nodes.get(number);
    const newest = node && last(node.life, at);
    if (!newest) return { number, is: "unknown" };
    if (newest.kind === "end") return { number, is: "gone", how: newest.how, why: newest.why, since: newest.at_s };
    const status = last(node.status, at);
    const looking = status && status.state !== "operational" && status.at_s >= newest.at_s;
    if (newest.kind === "boot") return { number, is: "alone", status, since: newest.at_s };
    const configuration = this.configurations.get(newest.id);
    return { number, is: looking ? "looking" : "up", configuration, status, since: newest.at_s };
  }

  // Members that are on one ring together, the largest first; and the rest.
  components(at) {
    const rings = new Map(), rest = [];
    for (const number of this.members) {
      const member = this.member(number, at);
      if (member.configuration) {
        const id = member.configuration.id;
        if (!rings.has(id)) rings.set(id, { configuration: member.configuration, members: [] });
        rings.get(id).members.push(member);
      } else rest.push(member);
    }
    // A ring that some have not been told of yet, and who nobody tells of.
    for (const ring of rings.values()) {
      for (const number of ring.configuration.members) {
        const isOn = ring.members.some((member) => member.number === number);
        const index = rest.findIndex((member) => member.number === number && member.is === "unknown");
        if (!isOn && index >= 0) ring.members.push({ ...rest.splice(index, 1)[0], is: "untold" });
      }
      ring.members.sort((a, b) => a.number - b.number);
    }
    const found = [...rings.values()].sort((a, b) => b.members.length - a.members.length);
    return { rings: found, rest };
  }
}
