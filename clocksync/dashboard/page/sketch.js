// Small pictures for the menu: of the four properties, left as it is, right what can't happen; of the
// algorithms, time to the right and a row for each process.

import { fill, s } from "./svg.js";

// Rows of tiles by sender; "-": missing; "|": a change of the configuration; "!": what is wrong.
const SKETCHES = {
  "self-delivery": [["12", "12"], ["-!2", "12"]],
  agreed: [["123", "123"], ["123", "13!2!"]],
  safe: [["12|", "12|"], ["12!|", "1-|"]],
  "virtual-synchrony": [["123|", "123|"], ["123|", "12-!|"]],
};

// Messages: from which row, when, to which row, when; then who is inside: row, from when, until when.
const ALGORITHMS = {
  lamport: [[[1, 12, 2, 62], [2, 78, 3, 104], [3, 116, 2, 148], [2, 160, 1, 200]], []],
  "ricart-agrawala": [[[1, 14, 2, 44], [1, 14, 3, 54], [2, 50, 1, 78], [3, 60, 1, 96]], [[1, 104, 170]]],
  "token-ring": [[[1, 12, 2, 40], [2, 94, 3, 122], [3, 124, 1, 164], [1, 166, 2, 194]], [[2, 42, 92]]],
  berkeley: [[[1, 12, 2, 36], [1, 12, 3, 44], [2, 40, 1, 70], [3, 48, 1, 80], [1, 100, 2, 128], [1, 100, 3, 138]], []],
  rbs: [[[1, 14, 2, 60], [1, 14, 3, 66], [1, 84, 2, 118], [1, 84, 3, 124], [2, 136, 3, 164], [3, 170, 2, 198]], []],
};

export function sketch(name) {
  const found = SKETCHES[name];
  return found ? properties(found) : ALGORITHMS[name] ? algorithm(...ALGORITHMS[name]) : null;
}

const picture = (drawn) => s("svg", { class: "sketch", viewBox: "0 0 214 54", "aria-hidden": "true" }, ...drawn);

function algorithm(messages, inside) {
  const y = (row) => row * 19 - 11;
  const drawn = [1, 2, 3].map((row) => s("line", { class: "row", x1: 0, x2: 210, y1: y(row), y2: y(row) }));
  for (const [row, from, until] of inside)
    drawn.push(s("rect", { x: from, y: y(row) - 6, width: until - from, height: 12, rx: 4, fill: fill(row) }));
  for (const [from, sent, to, got] of messages) {
    drawn.push(s("line", { x1: sent, y1: y(from), x2: got, y2: y(to), stroke: fill(from), "stroke-width": 2 }));
    drawn.push(s("circle", { cx: got, cy: y(to), r: 3.5, fill: fill(from) }));
  }
  return picture(drawn);
}

function properties(found) {
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
  return picture(drawn);
}
