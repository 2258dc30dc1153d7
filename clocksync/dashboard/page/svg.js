// Small helpers: elements, numbers as people read them, members' colours.

const SVG = "http://www.w3.org/2000/svg";

function make(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const s = (tag, attributes, ...children) =>
  make(document.createElementNS(SVG, tag), attributes, children);

export const h = (tag, attributes, ...children) =>
  make(document.createElement(tag), attributes, children);

// Okabe and Ito's palette, told apart by people who do not see all colours; members have numbers.
const FILLS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#8C8C8C"];
const INKS = ["#fff", "#111", "#fff", "#111", "#111", "#fff", "#111", "#111"];
const place = (node) => (((node - 1) % FILLS.length) + FILLS.length) % FILLS.length;
export const fill = (node) => FILLS[place(node)];
export const ink = (node) => INKS[place(node)];

export const isStill = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// A duration in the unit that suits it, with three digits.
export function duration(seconds) {
  const size = Math.abs(seconds);
  if (size === 0) return "0 s";
  for (const [unit, of] of [["s", 1], ["ms", 1e-3], ["µs", 1e-6]]) {
    if (size >= of) return `${digits(seconds / of)} ${unit}`;
  }
  return `${Math.round(seconds * 1e9)} ns`;
}

export function digits(value) {
  const size = Math.abs(value);
  const places = size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : 2;
  return value.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places });
}

export const signed = (seconds) => (seconds >= 0 ? "+" : "−") + duration(Math.abs(seconds));

export const rate = (perSecond) =>
  perSecond >= 100 ? Math.round(perSecond).toLocaleString("en") : digits(perSecond);

export const list = (members) =>
  members.length < 2 ? members.join("") : `${members.slice(0, -1).join(", ")} and ${members.at(-1)}`;

export const many = (count, what) => `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;

// A picture as it is now, a unit a pixel, and what it says to who cannot see it.
export function paint(picture, { width, height }, drawn, text) {
  picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
  picture.setAttribute("height", height);
  picture.replaceChildren(...drawn);
  describe(picture, text);
}

// What a picture says to who cannot see it; not more often than one can listen.
const said = new WeakMap();
export function describe(picture, text) {
  const now = performance.now();
  const before = said.get(picture);
  if (before && (before.text === text || now - before.at < 1000)) return;
  said.set(picture, { text, at: now });
  picture.setAttribute("aria-label", text);
}
