// The list of problems: applies the filters to the index and draws only the visible rows.

const ROW = 58;  // pixels; page.css gives rows the same height

/** The JSON within a data block of the page: gzipped, in base64. */
async function unpack(id) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

class Index {
  constructor(packed) {
    Object.assign(this, packed);
    this.length = this.id.length;
    this.several = this.sample.some(Boolean);  // then the first sample is told from the problem
    this.text = this.id.map((id, i) =>
      `${this.name(i)}\n${this.gold[i]}\n${this.question[i]}`.toLowerCase());
    this.places = new Map(this.id.map((id, i) => [this.fragment(i), i]));
  }

  name(i) {
    return `${this.tasks[this.task[i]]} ${this.id[i]}${this.several ? ` #${this.sample[i]}` : ""}`;
  }

  /** The URL fragment of problem `i`. */
  fragment(i) {
    const parts = ["problem", this.tasks[this.task[i]], this.id[i], ...(this.sample[i] ? [this.sample[i]] : [])];
    return `#${parts.map((part) => encodeURIComponent(String(part).toWellFormed())).join("/")}`;
  }

  /** The outcome's letter of each run; "." for one that lacks problem `i`. */
  letters(i) {
    return this.outcome.map((letters) => letters[i]);
  }

  disagreed(i) {
    const letters = this.letters(i);
    return letters.includes("r") && letters.some((letter) => letter === "w" || letter === "f");
  }

  /** The outcomes of problem `i` if it passes all filters but that on outcomes; else empty. */
  found(i, asked) {
    if (asked.task >= 0 && this.task[i] !== asked.task) return "";
    if (asked.level >= 0 && this.level[i] !== asked.level) return "";
    if (asked.only.has("disagreed") && !this.disagreed(i)) return "";
    if (!asked.words.every((word) => this.text[i].includes(word))) return "";
    let letters = "";
    for (let run = 0; run < this.runs.length; run++) {
      if (asked.run >= 0 && asked.run !== run) continue;
      if (asked.only.has("routed") && this.routed[run][i] !== "1") continue;
      if (asked.only.has("differ") && this.differ[run][i] !== "1") continue;
      if (this.outcome[run][i] !== ".") letters += this.outcome[run][i];
    }
    return letters;
  }

  /** The problems that pass all filters, and how many each outcome would leave. */
  select(asked) {
    const found = [], counts = { all: 0, r: 0, w: 0, f: 0, u: 0 };
    for (let i = 0; i < this.length; i++) {
      const letters = this.found(i, asked).replace(/[gt]/g, "u");
      if (!letters) continue;
      counts.all++;
      for (const letter of new Set(letters)) counts[letter]++;
      if (asked.outcome === "all" || letters.includes(asked.outcome)) found.push(i);
    }
    return { found, counts };
  }
}

class List {
  constructor(index, box, rows, open) {
    Object.assign(this, { index, box, rows, found: [], at: 0 });
    box.addEventListener("scroll", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(box);
    rows.addEventListener("click", (event) => {
      const row = event.target.closest("[role=option]");
      if (row) open(Number(row.dataset.problem));
    });
  }

  /** Show `found`; the selected problem stays selected if it is among them. */
  show(found) {
    const selected = this.found[this.at];
    this.found = found;
    this.at = Math.max(0, found.indexOf(selected));
    this.rows.style.height = `${Math.max(1, found.length) * ROW}px`;
    this.box.scrollTop = Math.max(0, this.at * ROW - this.box.clientHeight / 2);
    this.draw();
  }

  select(at) {
    this.at = Math.max(0, Math.min(this.found.length - 1, at));
    const top = this.at * ROW, height = this.box.clientHeight;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top + ROW > this.box.scrollTop + height) this.box.scrollTop = top + ROW - height;
    this.draw();
  }

  draw() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW) - 4);
    const last = Math.min(this.found.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / ROW) + 4);
    const drawn = [];
    for (let at = first; at < last; at++) drawn.push(this.row(at));
    if (!this.found.length) drawn.push(element("p", { class: "none" }, "No matching problems."));
    this.rows.replaceChildren(...drawn);
    if (this.found.length) this.box.setAttribute("aria-activedescendant", `row-${this.at}`);
    else this.box.removeAttribute("aria-activedescendant");
  }

  row(at) {
    const i = this.found[at], letters = this.index.letters(i), several = letters.length > 1;
    const right = letters.filter((letter) => letter === "r").length;
    const known = letters.filter((letter) => letter !== ".").length;
    const spoken = several ? `right in ${right} of ${known} runs` : OUTCOMES[letters[0]][0];
    const marks = letters.map((letter, run) => {
      if (letter === ".") return element("span", { class: "mark" }, "·");
      const [word, mark] = OUTCOMES[letter], title = `${this.index.runs[run].label}: ${word}`;
      return element("span", { class: `mark ${letter}`, title }, mark);
    });
    const level = this.index.levels[this.index.level[i]];
    const tally = several ? `${right}/${known}` : spoken;
    const it = element("div", {
      role: "option", id: `row-${at}`, "data-problem": i, "aria-selected": at === this.at,
      "aria-posinset": at + 1, "aria-setsize": this.found.length,
      "aria-label": `${this.index.name(i)}, ${spoken}`,
    },
      element("span", { class: "line" },
        element("bdi", { class: "id" }, ...plain(this.index.name(i))),
        element("span", { class: "level" }, ...(level ? plain(`level ${level.replace(/^level\s+/i, "")}`) : [])),
        element("span", { class: `marks${letters.length > 5 ? " many" : ""}`, "aria-hidden": "true" }, ...marks),
        element("span", { class: "tally", "aria-hidden": "true" }, tally)),
      element("bdi", { class: "line start" }, ...plain(this.index.question[i].slice(0, 300))));
    it.style.top = `${at * ROW}px`;
    return it;
  }
}
