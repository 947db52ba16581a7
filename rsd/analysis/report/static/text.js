// Text that models and servers wrote, put into the page as text and never as markup.

const SHOWN = 4000, SET = 20000;  // characters shown at first; a longer text's mathematics is not set

// Controls, marks and overrides of writing direction, and characters without width.
const HIDDEN = new RegExp(
  "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e" +
  "\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb\\u{e0000}-\\u{e007f}\\p{Cs}]", "u");
const HIDDEN_ALL = new RegExp(HIDDEN.source, "gu");

const MATHEMATICS = new RegExp(
  [
    /\$\$(?<d1>[^]{1,8000}?)\$\$/,
    /\\\[(?<d2>[^]{1,8000}?)\\\]/,
    /\\\((?<i1>[^]{1,4000}?)\\\)/,
    // Prices are no mathematics: spaces within the signs need something that is LaTeX.
    /(?<!\\)\$(?=\S)(?<i2>(?:[^$\\]|\\[^]){1,4000}?)(?<=\S)\$(?!\d)/,
    /(?<!\\)\$(?<i3>(?=[^$\n]{0,400}(?:\\[A-Za-z]|[\^_]))(?:[^$\\\n]|\\[^\n]){1,400}?)\$(?!\d)/,
    /(?<d3>\\begin\{(?<env>(?:align|equation|gather|eqnarray|multline)\*?)\}[^]{1,8000}?\\end\{\k<env>\})/,
    /\\(?:boxed|fbox)\{(?<box>(?:[^{}]|\{(?:[^{}]|\{(?:[^{}]|\{[^{}]{0,500}\}){0,500}\}){0,500}\}){0,500})\}/,
  ].map((one) => one.source).join("|"), "g");

function element(name, attributes = {}, ...children) {
  const it = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) it.setAttribute(key, value);
  it.append(...children);
  return it;
}

/** Text nodes of `text`, with invisible characters shown by code point. */
function plain(text) {
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(HIDDEN_ALL)) {
    const code = match[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    nodes.push(text.slice(from, match.index), element("span", { class: "hidden-character" }, `U+${code}`));
    from = match.index + match[0].length;
  }
  nodes.push(text.slice(from));
  return nodes;
}

/** An answer boxed outside of mathematics: set if it is mathematics, words otherwise. */
function boxed(inside) {
  const math = /[\\^_]/.test(inside) && mathml(inside, false);
  return element("span", { class: "boxed" }, ...(math ? [math] : typeset(inside)));
}

/** Nodes of `text`, with its mathematics rendered, or as code where it cannot be. */
function typeset(text) {
  if (text.length > SET) return plain(text);
  const nodes = [];
  let from = 0, block = false;  // mathematics on lines of its own needs no line breaks around it
  const between = (upto, before) => {
    let words = text.slice(from, upto).replaceAll("\\$", "$");
    if (block) words = words.replace(/^[ \t]*\n/, "");
    if (before) words = words.replace(/\n[ \t]*$/, "");
    return plain(words);
  };
  for (const match of text.matchAll(MATHEMATICS)) {
    const { d1, d2, d3, i1, i2, i3, box } = match.groups, display = d1 ?? d2 ?? d3;
    const math = box !== undefined ? boxed(box) : mathml(display ?? i1 ?? i2 ?? i3, display !== undefined);
    const set = Boolean(math) && display !== undefined;
    nodes.push(...between(match.index, set), math || element("code", { class: "tex" }, ...plain(match[0])));
    block = set;
    from = match.index + match[0].length;
  }
  nodes.push(...between(text.length, false));
  return nodes;
}

/** An element that shows `text`; a very long one is cut, with a button for the rest. */
function shown(text, source, name = "div") {
  const it = element(name, { class: "text", dir: "auto" });
  const make = source ? plain : typeset;
  if (text.length <= 1.2 * SHOWN) {
    it.append(...make(text));
    return it;
  }
  const more = element("button", { type: "button", class: "more" },
    `Show all ${text.length.toLocaleString("en")} characters`);
  more.addEventListener("click", () => it.replaceChildren(...make(text)));
  it.append(...make(text.slice(0, SHOWN)), "… ", more);
  return it;
}
