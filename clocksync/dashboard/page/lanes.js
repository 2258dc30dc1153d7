// What the pictures with a row for each member share.

import { fill, ink, isStill, many, paint, s } from "./svg.js";

// Where something is in the next frame that glides from here to there. What is far off is jumped to.
export function glided(here, there, far, near) {
  if (here === null || isStill() || Math.abs(there - here) > far) return there;
  const next = here + (there - here) * 0.25;
  return Math.abs(there - next) < near ? there : next;
}

// A member at the head of its row.
export const head = (number, y) => [
  s("circle", { cx: 14, cy: y, r: 11, fill: fill(number) }),
  s("text", { class: "middle small strong", x: 14, y: y + 4, fill: ink(number) }, number),
];

// A picture of what members delivered, and in words whether that is as it should be.
export function judged(panel, size, drawn, { count, verdict, isBad }) {
  const mark = panel.querySelector(".verdict");
  mark.textContent = verdict;
  mark.classList.toggle("bad", isBad);
  paint(panel.querySelector("svg"), size, drawn, `${many(count, "message")}, ${verdict || "none delivered"}`);
}
