// LaTeX mathematics as MathML, which browsers draw by themselves. It knows what solutions of
// mathematical problems use; for anything else `mathml` gives null, and the source is shown.

const MATHML = "http://www.w3.org/1998/Math/MathML";
const LONGEST = 20000, DEEPEST = 60;

/** A `<math>` element for the LaTeX `source`, or null where it is not understood. */
function mathml(source, display) {
  if (source.length > LONGEST || HIDDEN.test(source)) return null;
  try {
    const parser = new MathParser(source.match(TOKEN) || [], display);
    const math = node("math", parser.table([]));
    if (parser.at < parser.tokens.length) return null;
    if (display) math.setAttribute("display", "block");
    return math;
  } catch (error) {
    if (error instanceof Unreadable) return null;
    throw error;
  }
}

class Unreadable extends Error {}

const TOKEN = /\\(?:[A-Za-z]+|[^])|\s+|[0-9]+(?:[.,][0-9]+)*|\.[0-9]+|[^]/gu;
const BIGGER = /^\\[bB]ig{1,2}[lrm]?$/;
const IGNORED = new Set(`displaystyle textstyle scriptstyle scriptscriptstyle limits nolimits
  nonumber notag hline centering allowbreak relax noindent small large Large normalsize it rm sf
  boldmath mathstrut strut hfill protect ensuremath`.split(/\s+/));

function node(name, ...children) {
  const it = document.createElementNS(MATHML, name);
  it.append(...children);
  return it;
}

/** A token element; its attributes are `name=value` words. */
function leaf(name, text, ...attributes) {
  const it = node(name, text);
  for (const one of attributes) it.setAttribute(...one.split("="));
  return it;
}

const row = (nodes) => (nodes.length === 1 ? nodes[0] : node("mrow", ...nodes));
const fence = (text) => leaf("mo", text, "stretchy=true", "fence=true");

function space(width) {
  const it = node("mspace");
  it.setAttribute("width", width);
  return it;
}

class MathParser {
  constructor(tokens, display) {
    this.tokens = tokens;
    this.display = display;
    this.at = 0;
    this.depth = 0;
  }

  blank() {
    while (this.at < this.tokens.length && /^\s/.test(this.tokens[this.at])) this.at++;
  }

  peek() {
    this.blank();
    return this.tokens[this.at];
  }

  take() {
    const token = this.peek();
    if (token === undefined) throw new Unreadable();
    this.at++;
    return token;
  }

  accept(token) {
    if (this.peek() !== token) return false;
    this.at++;
    return true;
  }

  expect(token) {
    if (!this.accept(token)) throw new Unreadable();
  }

  /** Atoms up to one of `ends`, which is left where it is. */
  until(ends) {
    const nodes = [];
    for (let token; (token = this.peek()) !== undefined && !ends.includes(token); ) {
      if (token === "\\over" || token === "\\choose") {
        this.take();
        const parts = [row(nodes.splice(0)), row(this.until(ends))];
        nodes.push(token === "\\over" ? node("mfrac", ...parts) : binomial(...parts));
      } else nodes.push(this.scripted());
    }
    return nodes;
  }

  /** Rows of `&` and `\\`, up to one of `ends`; a row alone is no table. */
  table(ends, columns) {
    const stops = ["&", "\\\\", "\\cr", ...ends], rows = [[]];
    for (;;) {
      rows.at(-1).push(this.until(stops));
      if (this.accept("&")) continue;
      if (!this.accept("\\\\") && !this.accept("\\cr")) break;
      if (this.peek() === "[") this.option();
      rows.push([]);
    }
    const last = rows.at(-1);
    if (rows.length > 1 && last.length === 1 && !last[0].length) rows.pop();
    if (rows.length === 1 && rows[0].length === 1 && !columns) return row(rows[0][0]);
    const it = node("mtable", ...rows.map((cells) =>
      node("mtr", ...cells.map((cell) => node("mtd", ...cell)))));
    it.setAttribute("class", columns || "aligned");
    if (this.display && columns !== "matrix") it.setAttribute("displaystyle", "true");
    return it;
  }

  /** An atom with what stands above and below it. */
  scripted() {
    let base = this.peek() === "^" || this.peek() === "_" ? node("mrow") : this.atom();
    let sub = null, sup = null;
    for (;;) {
      while (this.accept("\\limits") || this.accept("\\nolimits"));
      if (this.accept("^")) {
        if (sup) throw new Unreadable();
        sup = this.argument();
      } else if (this.accept("_")) {
        if (sub) throw new Unreadable();
        sub = this.argument();
      } else if (this.peek() === "'") {
        let primes = "";
        while (this.accept("'")) primes += "′";
        const mark = leaf("mo", primes);
        if (sup) throw new Unreadable();
        sup = this.accept("^") ? node("mrow", mark, this.argument()) : mark;
      } else break;
    }
    if (!sub && !sup) return base;
    const outside = base.dataLimits && (this.display || base.dataLimits === "always");
    const names = outside ? ["munder", "mover", "munderover"] : ["msub", "msup", "msubsup"];
    if (sub && sup) return node(names[2], base, sub, sup);
    return sub ? node(names[0], base, sub) : node(names[1], base, sup);
  }

  /** `{...}` or a single token. */
  argument() {
    const token = this.peek();
    if (token !== undefined && /^\d./.test(token)) {
      this.tokens.splice(this.at, 1, token[0], token.slice(1));  // \frac12 means 1 over 2
    }
    return this.atom();
  }

  /** The text of `{...}` as it is written. */
  raw() {
    this.expect("{");
    let text = "", open = 1;
    for (; this.at < this.tokens.length; text += this.tokens[this.at++]) {
      const token = this.tokens[this.at];
      open += (token === "{") - (token === "}");
      if (!open) return this.at++, text;
    }
    throw new Unreadable();
  }

  /** `[...]`, where it stands. */
  option() {
    if (!this.accept("[")) return null;
    const inside = row(this.until(["]"]));
    this.expect("]");
    return inside;
  }

  atom() {
    if (++this.depth > DEEPEST) throw new Unreadable();
    const it = this.part(this.take());
    this.depth--;
    return it;
  }

  part(token) {
    if (token === "{") {
      const inside = this.until(["}"]);
      this.expect("}");
      return row(inside);
    }
    if (token === "}" || token === "&" || token === "$" || token === "#") throw new Unreadable();
    if (token[0] === "\\" && token.length > 1) return this.command(token.slice(1));
    if (/^[\d.]*\d/.test(token)) return leaf("mn", token);
    if (/\p{L}/u.test(token)) return leaf("mi", token);
    if (token === "~") return space("0.33em");
    if (token === "-") return leaf("mo", "−");
    if (token === "*") return leaf("mo", "∗");
    if (/[^\x20-\x7e\p{S}\p{P}\p{N}]/u.test(token)) throw new Unreadable();
    if ("()[]|/".includes(token)) return leaf("mo", token, "stretchy=false");
    return leaf("mo", token);
  }

  command(name) {
    if (GREEK.has(name)) return leaf("mi", GREEK.get(name), ...(/^[A-Z]/.test(name) ? ["mathvariant=normal"] : []));
    if (OPERATORS.has(name)) return leaf("mo", OPERATORS.get(name), "stretchy=false");
    if (SPACES.has(name)) return space(SPACES.get(name));
    if (BIG.has(name)) return limits(leaf("mo", BIG.get(name)), name.endsWith("int") ? null : "display");
    if (LIMITS.has(name)) return limits(leaf("mi", name.replace(/^arg|^lim(?=.)/, "$& ")), "display");
    if (FUNCTIONS.has(name)) return this.called(name);
    if (Object.hasOwn(ALPHABETS, name)) return this.lettered(ALPHABETS[name]);
    if (ACCENTS.has(name)) return this.accented(name);
    if (UNDERS.has(name)) {
      const mark = leaf("mo", UNDERS.get(name), "stretchy=true");
      return limits(node("munder", this.argument(), mark), "always");
    }
    if (IGNORED.has(name)) return node("mrow");
    if (BIGGER.test(`\\${name}`)) {
      const size = name.match(/g/g).length > 1 ? "1.6em" : "1.2em";
      return leaf("mo", this.delimiter(), "stretchy=true", `minsize=${size}`);
    }
    if (/^[{}%$#&_|]$/.test(name)) return leaf("mo", name === "|" ? "‖" : name, "stretchy=false");
    if (/^\s$/.test(name)) return space("0.33em");
    if (!Object.hasOwn(COMMANDS, name)) throw new Unreadable();
    if (STARRED.has(name)) this.accept("*");
    return COMMANDS[name](this, name);
  }

  called(name) {
    const next = this.peek();
    const closed = next === undefined || /^[({^_[]$|^\\left$/.test(next);
    const it = leaf("mi", name);
    return closed ? it : node("mrow", it, space("0.17em"));
  }

  lettered([upper, lower, digit, elsewhere]) {
    const it = this.argument();
    const change = (c) => {
      const code = c.codePointAt(0);
      if (elsewhere.has(c)) return elsewhere.get(c);
      if (/[A-Z]/.test(c)) return String.fromCodePoint(upper + code - 65);
      if (/[a-z]/.test(c)) return String.fromCodePoint(lower + code - 97);
      return digit && /[0-9]/.test(c) ? String.fromCodePoint(digit + code - 48) : c;
    };
    for (const one of it.matches("mi, mn") ? [it] : it.querySelectorAll("mi, mn")) {
      one.textContent = one.textContent.replace(/[A-Za-z0-9]/g, change);
    }
    return it;
  }

  accented(name) {
    const mark = leaf("mo", ACCENTS.get(name), `stretchy=${STRETCHED.has(name)}`);
    const it = node("mover", this.argument(), mark);
    it.setAttribute("accent", "true");
    return name === "overbrace" ? limits(it, "always") : it;
  }

  /** What `\left`, `\right` and `\big` take; "." is none. */
  delimiter() {
    const token = this.take(), name = token.slice(1);
    if (token === ".") return "";
    if (token.length === 1 && "()[]|/<>".includes(token)) return { "<": "⟨", ">": "⟩" }[token] || token;
    if (token === "\\|") return "‖";
    if (/^\\[{}]$/.test(token)) return name;
    if (token[0] === "\\" && (OPERATORS.has(name) || /^[lr]brace$/.test(name))) {
      return OPERATORS.get(name) || GREEK.get(name);
    }
    throw new Unreadable();
  }

  environment(name) {
    if (/^(alignat|alignedat)/.test(name) || name === "array" || name === "tabular") {
      if (this.peek() === "[") this.option();
      if (this.peek() === "{") this.raw();
    }
    const matrix = Object.hasOwn(MATRICES, name) && MATRICES[name];
    if (!matrix && !ALIGNED.has(name)) throw new Unreadable();
    const kind = /cases/.test(name) ? "cases" : matrix ? "matrix" : /gather|multline/.test(name) ? "centred" : "aligned";
    const it = this.table(["\\end"], kind);
    this.expect("\\end");
    if (this.raw() !== name) throw new Unreadable();
    const [open, close] = (matrix || ["", ""]).map((one) => (one ? [fence(one)] : []));
    return row([...open, it, ...close]);
  }
}
