// LaTeX's commands with arguments. Read by math.js.

function limits(it, when) {
  it.dataLimits = when;
  return it;
}

function binomial(above, below) {
  const it = node("mfrac", above, below);
  it.setAttribute("linethickness", "0");
  return node("mrow", fence("("), it, fence(")"));
}

function fraction(parser, name) {
  const it = node("mfrac", parser.argument(), parser.argument());
  if (name === "tfrac") it.setAttribute("displaystyle", "false");
  if (name !== "dfrac" && name !== "cfrac") return it;
  const style = node("mstyle", it);
  style.setAttribute("displaystyle", "true");
  return style;
}

function choose(parser) {
  const above = parser.argument();
  return binomial(above, parser.argument());
}

/** Text within mathematics; the mathematics within it, between `$`, is set as such. */
function text(parser) {
  const parts = (parser.peek() === "{" ? parser.raw() : parser.take()).split("$");
  if (parts.length % 2 === 0) throw new Unreadable();
  return row(parts.map((part, i) => {
    if (i % 2) return mathml(part, false) || leaf("mtext", part);
    return leaf("mtext", part.replace(/\\([%$#&_{} ])/g, "$1").replace(/^\s+|\s+$/g, "\u00a0"));
  }));
}

function classed(name, ...children) {
  const it = node("mrow", ...children);
  it.setAttribute("class", name);
  return it;
}

function between(parser) {
  const parts = [fence(parser.delimiter())];
  do parts.push(...parser.until(["\\right", "\\middle"]));
  while (parser.accept("\\middle") && parts.push(fence(parser.delimiter())));
  parser.expect("\\right");
  return node("mrow", ...parts, fence(parser.delimiter()));
}

function modulo(parser, name) {
  const word = leaf("mi", "mod"), gap = () => space("0.33em");
  if (name === "bmod") return node("mrow", gap(), word, gap());
  const [open, close] = name === "pmod" ? [[leaf("mo", "(")], [leaf("mo", ")")]] : [[], []];
  return node("mrow", gap(), ...open, word, gap(), parser.argument(), ...close);
}

function arrow(parser, name) {
  const below = parser.option(), above = parser.argument();
  const it = leaf("mo", name === "xleftarrow" ? "←" : "→", "stretchy=true");
  return below ? node("munderover", it, below, above) : node("mover", it, above);
}

function stacked(parser, name) {
  const mark = parser.argument(), base = parser.argument();
  return node(name === "underset" ? "munder" : "mover", base, mark);
}

function dropped(parser) {
  parser.raw();
  return node("mrow");
}

const framed = (parser) => classed("boxed", text(parser));
const STARRED = new Set(["operatorname", "tag", "hspace", "vspace"]);
const inner = (parser) => parser.argument();
const COMMANDS = {
  frac: fraction, dfrac: fraction, tfrac: fraction, cfrac: fraction,
  binom: choose, dbinom: choose, tbinom: choose,
  sqrt: (p) => {
    const degree = p.option(), inside = p.argument();
    return degree ? node("mroot", inside, degree) : node("msqrt", inside);
  },
  left: between,
  begin: (p) => p.environment(p.raw()),
  boxed: (p) => classed("boxed", p.argument()), fbox: framed, framebox: framed,
  cancel: (p) => classed("cancel", p.argument()), bcancel: (p) => classed("cancel", p.argument()),
  xcancel: (p) => classed("cancel", p.argument()), sout: (p) => classed("cancel", p.argument()),
  phantom: (p) => node("mphantom", p.argument()), hphantom: (p) => node("mphantom", p.argument()),
  operatorname: (p) => limits(leaf("mi", p.raw().replace(/\\[,;: ]/g, " "), "mathvariant=normal"), "display"),
  text, textbf: text, textit: text, textrm: text, textsf: text, texttt: text, mbox: text, hbox: text,
  textnormal: text, emph: text, underbar: text,
  mathrm: (p) => {
    const it = p.argument();
    const letters = it.matches("mi") ? [it] : [...it.querySelectorAll("mi")];
    for (const one of letters) one.setAttribute("mathvariant", "normal");
    return it;
  },
  mathit: inner, mathnormal: inner, mathop: (p) => limits(p.argument(), "display"), mathbin: inner,
  mathrel: inner, mathord: inner, mathopen: inner, mathclose: inner, smash: inner, mathstrut: inner,
  substack: (p) => {
    p.expect("{");
    const it = p.table(["}"], "centred");
    p.expect("}");
    return it;
  },
  pmod: modulo, bmod: modulo, mod: modulo, pod: (p) => node("mrow", leaf("mo", "("), p.argument(), leaf("mo", ")")),
  xrightarrow: arrow, xleftarrow: arrow, overset: stacked, underset: stacked, stackrel: stacked,
  not: (p) => {
    const it = p.atom();
    if (!it.matches("mo")) throw new Unreadable();
    it.textContent += "\u0338";
    return it;
  },
  tag: (p) => node("mrow", space("2em"), leaf("mo", "("), text(p), leaf("mo", ")")),
  label: dropped, hspace: dropped, vspace: dropped, color: dropped, cline: dropped,
  textcolor: (p) => (p.raw(), p.argument()),
};
