// A text that may hold <b> and nothing else, as nodes: never as markup.

import { h } from "./svg.js";

export function rich(text) {
  return text.split(/(<b>.*?<\/b>)/s).filter(Boolean).map((part) => {
    const bold = /^<b>(.*)<\/b>$/s.exec(part);
    return bold ? h("b", {}, bold[1]) : document.createTextNode(part);
  });
}
