// The page: theme, printing, filters, the opened problem, keys and the URL's fragment.

const $ = (id) => document.getElementById(id);

function themed() {
  const button = $("theme"), names = ["system", "light", "dark"];
  let theme = "system";
  try { theme = localStorage.getItem("rsd-theme") || theme; } catch { /* pages opened from a file may have no storage */ }
  const apply = () => {
    if (theme === "system") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  button.addEventListener("click", () => {
    theme = names[(names.indexOf(theme) + 1) % names.length];
    try { localStorage.setItem("rsd-theme", theme); } catch { /* as above */ }
    apply();
  });
  button.hidden = false;
  apply();
}

function printed() {
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll(".fold:not(.manifest):not([open])")];
    for (const it of opened) it.open = true;
  });
  addEventListener("afterprint", () => opened.forEach((it) => { it.open = false; }));
}

class Browser {
  constructor(index) {
    this.index = index;
    this.asked = { words: [], run: -1, task: -1, level: -1, outcome: "all", only: new Set() };
    this.open = null;      // the opened problem
    this.run = Number($("browser").dataset.run);  // shown; `beside` is compared with it
    this.beside = -1;
    this.source = false;   // whether mathematics is shown as its source
    this.chunks = new Map();
    this.list = new List(index, $("list"), $("rows"), (i) => this.go(i));
    this.filters();
    $("browser").hidden = false;
    this.filter();
    addEventListener("hashchange", () => this.follow());
    addEventListener("keydown", (event) => this.key(event));
    this.follow();
  }

  filters() {
    const { index } = this, several = index.runs.length > 1;
    this.choice("run", several ? index.runs.map((run) => run.label) : [], "any run");
    this.choice("task", index.tasks.length > 1 ? index.tasks : [], "all tasks");
    this.choice("level", index.levels.length > 1 ? index.levels.map((level) => level || "none") : [], "all levels");
    const outcomes = [["all", "all"], ["r", "✓ right"], ["w", "✗ wrong"], ["f", "! failed"], ["u", "? no verdict"]];
    for (const [value, label] of outcomes) this.chip("outcomes", value, label, () => { this.asked.outcome = value; });
    const toggles = [["routed", "◆ with target steps"], ["differ", "graders differ"],
      ...(several ? [["disagreed", "runs disagree"]] : [])];
    for (const [value, label] of toggles) {
      this.chip("only", value, label, () => this.asked.only.delete(value) || this.asked.only.add(value));
    }
    $("filters").addEventListener("submit", (event) => event.preventDefault());
    $("query").addEventListener("input", () => {
      this.asked.words = $("query").value.toLowerCase().split(/\s+/).filter(Boolean);
      this.filter();
    });
  }

  choice(name, labels, all) {
    const select = $(name);
    select.parentElement.hidden = !labels.length;
    select.append(...[all, ...labels].map((label, i) => element("option", { value: i - 1 }, label)));
    select.addEventListener("change", () => {
      this.asked[name] = Number(select.value);
      this.filter();
    });
  }

  chip(group, value, label, change) {
    const it = element("button", { type: "button", "data-value": value }, label);
    it.addEventListener("click", () => {
      change();
      this.filter();
    });
    $(group).append(it);
  }

  filter() {
    const { asked, index } = this, { found, counts } = index.select(asked);
    for (const it of $("outcomes").children) {
      const value = it.dataset.value;
      it.setAttribute("aria-pressed", value === asked.outcome);
      it.dataset.count = counts[value].toLocaleString("en");
      it.hidden = value !== "all" && !counts[value] && value !== asked.outcome;
    }
    for (const it of $("only").children) it.setAttribute("aria-pressed", asked.only.has(it.dataset.value));
    $("count").textContent = `${found.length.toLocaleString("en")} of ${index.length.toLocaleString("en")} ${index.several ? "samples" : "problems"}.`;
    this.list.show(found);
  }

  /** The steps of problem `i`; null if the page omits them. */
  async read(i) {
    const chunk = this.index.chunk[i];
    if (chunk === null) return null;
    if (!this.chunks.has(chunk)) {
      if (this.chunks.size > 7) this.chunks.delete(this.chunks.keys().next().value);
      this.chunks.set(chunk, unpack(`chunk-${chunk}`));
    }
    const problems = await this.chunks.get(chunk);
    return problems[i - this.index.chunk.indexOf(chunk)];
  }

  /** Open problem `i`; among opened ones, "back" leads to the list. */
  go(i) {
    const url = this.index.fragment(i);
    if (this.open === null) history.pushState(null, "", url);
    else history.replaceState(null, "", url);
    this.follow();
  }

  /** Open the problem that the URL names, if any. */
  async follow() {
    const i = this.index.places.get(location.hash);
    if (i === undefined) {
      if (this.open !== null && /^#?(problem.*)?$/.test(location.hash)) this.close();
      return;
    }
    this.open = i;
    const at = this.list.found.indexOf(i);
    if (at >= 0) this.list.select(at);
    const problem = await this.read(i);
    if (this.open !== i) return;
    if (this.asked.run >= 0) this.run = this.asked.run;
    this.problem = problem;
    if (problem && !problem.solutions[this.run]) this.run = Number(Object.keys(problem.solutions)[0]);
    this.draw();
    $("problem").scrollTop = 0;
    $("problem").querySelector("h3").focus({ preventScroll: true });
    $("browser").scrollIntoView({ block: "nearest" });
  }

  close() {
    this.open = null;
    $("problem").hidden = true;
    $("browser").classList.remove("opened");
    if (this.index.places.has(location.hash)) history.replaceState(null, "", "#problems");
    this.list.select(this.list.at);
    $("list").focus({ preventScroll: true });
  }

  draw() {
    const { index, open: i, problem, run } = this, level = index.levels[index.level[i]];
    const back = element("button", { type: "button", class: "back" }, "← All problems");
    back.addEventListener("click", () => this.close());
    const title = element("h3", { tabindex: "-1" }, ...plain(index.name(i)));
    const head = element("header", {}, back, title,
      ...(level ? [element("span", { class: "note" }, ...plain(`level ${level.replace(/^level\s+/i, "")}`))] : []));
    $("problem").hidden = false;
    $("browser").classList.add("opened");
    if (!problem) {
      $("problem").replaceChildren(head, element("p", {},
        "This page omits the steps of this problem; trajectories.jsonl in the run directory has them."));
      return;
    }
    const letters = index.letters(i);
    const wanted = this.beside >= 0 && this.beside !== run ? [run, this.beside] : [run];
    const solutions = solutionsOf(problem, wanted, index.runs, letters, this.source);
    $("problem").replaceChildren(head,
      shown(problem.question, this.source),
      element("p", { class: "note gold" }, "Gold answer: ", shown(problem.gold, this.source, "b")),
      ...this.tools(problem, letters),
      element("div", { class: "solutions", id: "solutions" }, ...solutions));
  }

  /** Buttons for the run shown, the run to compare it with, and the options. */
  tools(problem, letters) {
    const { runs } = this.index, redraw = () => this.draw();
    const solved = runs.map((run, r) => r).filter((r) => problem.solutions[r]);
    const tabs = solved.map((r) => {
      const [word, mark] = OUTCOMES[letters[r]];
      const it = element("button", { type: "button", "aria-pressed": r === this.run, title: word },
        element("span", { class: `mark ${letters[r]}` }, mark), ` ${runs[r].label}`);
      it.addEventListener("click", () => { this.run = r; redraw(); });
      return it;
    });
    const beside = element("select", {}, ...[-1, ...solved.filter((r) => r !== this.run)].map((r) =>
      element("option", { value: r }, r < 0 ? "none" : runs[r].label)));
    beside.value = solved.includes(this.beside) && this.beside !== this.run ? this.beside : -1;
    beside.addEventListener("change", () => { this.beside = Number(beside.value); redraw(); });
    const source = element("button", { type: "button", "aria-pressed": this.source }, "show source");
    source.addEventListener("click", () => { this.source = !this.source; redraw(); });
    const unfold = element("button", { type: "button" }, "expand all");
    unfold.addEventListener("click", () => this.unfold());
    const several = solved.length > 1;
    return [
      ...(several ? [element("div", { class: "chips", role: "group", "aria-label": "Run" }, ...tabs)] : []),
      element("div", { class: "chips tools" }, source, unfold,
        ...(several ? [element("label", {}, "compare with ", beside)] : [])),
    ];
  }

  unfold() {
    const folds = [...$("problem").querySelectorAll(".losers")], open = folds.some((it) => !it.open);
    for (const it of folds) it.open = open;
  }

  move(by) {
    const at = this.open === null || this.list.found[this.list.at] === this.open ? this.list.at + by : this.list.at;
    this.list.select(at);
    if (this.open !== null && this.list.found.length) this.go(this.list.found[this.list.at]);
    else this.focus();
  }

  focus() {
    $("list").focus({ preventScroll: true });
    $("browser").scrollIntoView({ block: "nearest" });
  }

  turn(by) {
    const solved = this.problem ? Object.keys(this.problem.solutions).map(Number) : [];
    if (this.open === null || solved.length < 2) return;
    this.run = solved[(solved.indexOf(this.run) + by + solved.length) % solved.length];
    this.draw();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target, typing = target.matches("input, select, textarea");
    if (event.key === "Escape") {
      if (target === $("query")) this.focus();
      else if (this.open !== null) this.close();
      return;
    }
    if (target === $("query") && (event.key === "Enter" || event.key === "ArrowDown")) {
      this.focus();
      event.preventDefault();
      return;
    }
    if (typing) return;
    const inList = target === $("list"), page = Math.max(1, Math.floor($("list").clientHeight / ROW) - 1);
    const everywhere = {
      "/": () => { $("browser").scrollIntoView({ block: "nearest" }); $("query").focus(); $("query").select(); },
      j: () => this.move(1), k: () => this.move(-1), "]": () => this.turn(1), "[": () => this.turn(-1),
      x: () => this.open !== null && this.unfold(),
      s: () => { if (this.open !== null) { this.source = !this.source; this.draw(); } },
    };
    const within = {
      ArrowDown: () => this.list.select(this.list.at + 1), ArrowUp: () => this.list.select(this.list.at - 1),
      PageDown: () => this.list.select(this.list.at + page), PageUp: () => this.list.select(this.list.at - page),
      Home: () => this.list.select(0), End: () => this.list.select(Infinity),
      Enter: () => this.list.found.length && this.go(this.list.found[this.list.at]),
    };
    const acts = inList ? { ...everywhere, ...within } : everywhere;
    if (!Object.hasOwn(acts, event.key)) return;
    acts[event.key]();
    event.preventDefault();
  }
}

themed();
printed();
if (typeof DecompressionStream === "undefined") {
  $("problems").append(element("p", { class: "note" }, "This web browser is too old to show the problems."));
} else unpack("index").then((packed) => new Browser(new Index(packed)));
