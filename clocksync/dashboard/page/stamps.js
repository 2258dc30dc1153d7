// Timestamps of the newest messages: a bar within which the true time lies.

import { describe, duration, fill, ink, s } from "./svg.js";
import { upTo } from "./store.js";

const SHOWN = 9, ROW = 24, LEFT = 30, RIGHT = 92, WIDTH = 420;

export function draw(panel, store, at) {
  const picture = panel.querySelector("svg");
  const end = upTo(store.delivered, at, "first_s");
  const shown = store.delivered.slice(Math.max(0, end - SHOWN), end).filter((message) => message.stamp);
  const height = SHOWN * ROW + 24;
  const drawn = [];
  if (shown.length) {
    const newest = shown.at(-1).stamp;
    const after = (message) => Number(message.stamp - newest) / 1e9;
    const low = Math.min(...shown.map((one) => after(one) - one.error_bound_s));
    const high = Math.max(...shown.map((one) => after(one) + one.error_bound_s));
    const x = (seconds) => LEFT + 8 + ((seconds - low) / Math.max(1e-9, high - low)) * (WIDTH - LEFT - RIGHT - 16);
    shown.forEach((message, row) => {
      const y = row * ROW + 14;
      const bad = message.flags.find((flag) => flag === "suspect") ?? message.flags[0];
      const left = x(after(message) - message.error_bound_s), right = x(after(message) + message.error_bound_s);
      drawn.push(s("circle", { cx: 12, cy: y, r: 9.5, fill: fill(message.origin) }));
      drawn.push(s("text", { class: "middle tiny strong", x: 12, y: y + 3.5, fill: ink(message.origin) }, message.origin));
      drawn.push(s("rect", { class: `bound ${bad ?? ""}`, x: left, y: y - 6, width: Math.max(4, right - left), height: 12, rx: 3 },
        s("title", {}, `${message.name}: ${instant(message.stamp)} ± ${duration(message.error_bound_s)} ${message.flags.join(", ")}`)));
      drawn.push(s("line", { class: "mark", x1: x(after(message)), x2: x(after(message)), y1: y - 8, y2: y + 8 }));
      drawn.push(s("text", { class: `tiny end ${bad ? "bad" : ""}`, x: WIDTH - 4, y: y + 4 }, `± ${duration(message.error_bound_s)}${bad ? ` ${bad === "suspect" ? "▲" : "△"}` : ""}`));
    });
    drawn.push(s("text", { class: "tiny dim", x: LEFT + 8, y: height - 6 }, instant(newest).slice(0, 26)));
    drawn.push(s("text", { class: "tiny dim end", x: WIDTH - 4, y: height - 6 }, `${duration(high - low)} wide`));
    const flags = shown.flatMap((message) => message.flags);
    describe(picture, `newest ${instant(newest)} ± ${duration(shown.at(-1).error_bound_s)}${flags.length ? `; ${[...new Set(flags)].join(", ")}` : ""}`);
  }
  picture.setAttribute("viewBox", `0 0 ${WIDTH} ${height}`);
  picture.replaceChildren(...drawn);
}

// ns since 1970, as a date with all its digits.
function instant(ns) {
  const date = new Date(Number(ns / 1_000_000n));
  const fraction = String(ns % 1_000_000_000n).padStart(9, "0");
  return `${date.toISOString().slice(0, 19).replace("T", " ")}.${fraction} UTC`;
}
