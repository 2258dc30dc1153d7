// Is it well? One line.

import { list, many } from "./svg.js";
import { last } from "./store.js";

export function judge(store, at) {
  const told = [];
  if (store.hasGroup) told.push(group(store, at));
  if ([...store.clocks.values()].some((readings) => readings[0].node === undefined)) told.push(clocks(store, at));
  const worst = ["bad", "care", "wait", "good"].find((level) => told.some((one) => one.level === level));
  return { level: worst ?? "wait", text: told.map((one) => one.text).join(" · ") || "waiting for the first word" };
}

function group(store, at) {
  const { rings, rest } = store.components(at);
  const gone = rest.filter((member) => member.is === "gone" && member.how !== "leave").map((member) => member.number);
  const looking = rings.flatMap((ring) => ring.members).filter((member) => member.is === "looking");
  if (!rings.length) return { level: gone.length ? "bad" : "wait", text: gone.length ? `${list(gone)} ${gone.length > 1 ? "are" : "is"} gone` : "members start" };
  if (looking.length) return { level: "care", text: `${list(looking.map((member) => member.number))} seek${looking.length > 1 ? "" : "s"} a ring` };
  const main = many(rings[0].members.length, "member");
  const away = gone.length ? `; ${list(gone)} ${gone.length > 1 ? "are" : "is"} gone` : "";
  if (rings.length > 1) {
    // Members hear of a new ring one after the other: that is no split.
    const news = Math.max(...rings.map((ring) => ring.configuration.at_s));
    const isPassing = at - news < (store.plays ? 0.06 : 0.02);
    const parts = rings.map((ring) => `{${ring.members.map((member) => member.number).join(",")}}`).join(" ");
    return { level: "care", text: (isPassing ? "changing: " : "split: ") + parts + away };
  }
  if (gone.length) return { level: "care", text: `${main} on one ring${away}` };
  return { level: "good", text: rings[0].members.length === 1 ? "1 member, alone" : `${main} on one ring` };
}

function clocks(store, at) {
  const newest = [...store.clocks.values()].map((readings) => last(readings, at)).filter(Boolean);
  const alarms = newest.filter((reading) => reading.alarms.length);
  if (alarms.length) return { level: "bad", text: `${list(alarms.map((reading) => reading.host))}: ${alarms[0].alarms[0]}` };
  const good = newest.filter((reading) => reading.offset_s !== null);
  if (!newest.length) return { level: "wait", text: "asking" };
  return { level: good.length === newest.length ? "good" : "care", text: `${good.length} of ${many(newest.length, "clock")} known` };
}
