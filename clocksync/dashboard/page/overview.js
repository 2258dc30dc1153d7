// All of the time at once, behind the slider: how much was delivered, changes, who died.

import { s } from "./svg.js";

const WIDTH = 1000, HEIGHT = 40;
let before = "", drawnAt = -Infinity;

export function draw(picture, store, transport) {
  const { begin, end } = transport;
  // Not more often than one sees it grow.
  const state = [store.count, transport.now ? Math.floor(end) : 0].join();
  if (state === before || end <= begin || performance.now() - drawnAt < 500) return;
  drawnAt = performance.now();
  before = state;
  const x = (at) => ((at - begin) / (end - begin)) * WIDTH;
  const bins = new Array(250).fill(0);
  for (const load of store.loads) {
    const bin = Math.floor(((load.at_s + load.width_s / 2 - begin) / (end - begin)) * bins.length);
    if (bin >= 0 && bin < bins.length) bins[bin] += load.got;
  }
  const top = Math.max(1, ...bins);
  const points = bins.map((count, bin) => `${(bin + 0.5) * (WIDTH / bins.length)} ${HEIGHT - 2 - (count / top) * (HEIGHT - 12)}`);
  const drawn = [s("path", { class: "area", d: `M0 ${HEIGHT}L${points.join("L")}L${WIDTH} ${HEIGHT}z` })];
  for (const change of store.changes) drawn.push(s("path", { class: "change", d: `M${x(change.at_s)} 4v${HEIGHT - 4}` }));
  for (const node of store.nodes.values()) {
    for (const one of node.life) {
      if (one.kind === "end" && one.how !== "leave") drawn.push(s("path", { class: "death", d: `M${x(one.at_s)} 0v${HEIGHT}` }));
    }
  }
  picture.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  picture.replaceChildren(...drawn);
}
