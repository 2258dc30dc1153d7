// Small pictures of the four properties for the menu: above as it is, below what can't happen.

import { fill, s } from "./svg.js";

// Rows of tiles by sender; "-": missing; "|": a change of the configuration; "!": what is wrong.
const SKETCHES = {
  "self-delivery": [["12", "12"], ["-!2", "12"]],
  agreed: [["123", "123"], ["123", "13!2!"]],
  safe: [["12|", "12|"], ["12!|", "1-|"]],
  "virtual-synchrony": [["123|", "123|"], ["123|", "12-!|"]],
};

export function sketch(name) {
  const found = SKETCHES[name];
  if (!found) return null;
  const drawn = [];
  found.forEach((rows, half) => rows.forEach((row, index) => {
    const left = half * 112, y = 4 + index * 26;
    drawn.push(s("line", { class: "row", x1: left, x2: left + 92, y1: y + 9, y2: y + 9 }));
    let x = left + 4;
    for (const [, what, bad] of row.matchAll(/(.)(!?)/g)) {
      if (what === "|") drawn.push(s("rect", { class: "bar", x: x + 2, y: y - 2, width: 7, height: 22, rx: 2 }));
      else if (what === "-") drawn.push(s("rect", { class: "hole", x, y, width: 18, height: 18, rx: 4 }));
      else drawn.push(s("rect", { x, y, width: 18, height: 18, rx: 4, fill: fill(Number(what)) }));
      if (bad && what !== "-") drawn.push(s("rect", { class: "not", x: x - 2, y: y - 2, width: 22, height: 22, rx: 6 }));
      x += what === "|" ? 14 : 22;
    }
  }));
  drawn.push(s("path", { class: "not", d: "M196 20l14 14m0-14l-14 14", "stroke-linecap": "round" }));
  return s("svg", { class: "sketch", viewBox: "0 0 214 54", "aria-hidden": "true" }, ...drawn);
}
