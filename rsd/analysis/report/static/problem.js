// One problem: its question, and how each run solved it, step by step.

const OUTCOMES = {
  r: ["right", "✓"], w: ["wrong", "✗"], f: ["failed", "!"], t: ["undecided", "?"], g: ["ungradable", "?"], u: ["not graded", "?"],
};
const SIGNS = { draft: "◇", target: "◆" };  // outline and filled, as their frames are

function badge(letter) {
  const [word, mark] = OUTCOMES[letter];
  return element("span", { class: `outcome ${letter}` }, `${mark} ${word}`);
}

/** A reward, and its side of the threshold if one decided. */
function rewardOf(step, run) {
  const value = Number(step.reward), threshold = run.threshold === null ? NaN : Number(run.threshold);
  let side = "";
  if (step.source === "draft" && step.kept && value >= threshold) side = ` ≥ δ ${run.threshold}`;
  if (step.source === "draft" && !step.kept && value < threshold) side = ` < δ ${run.threshold}`;
  const it = element("span", { class: "reward" }, `reward ${step.reward}${side}`);
  if (value >= 0 && value <= 1) {
    const meter = element("span", { class: "meter", "aria-hidden": "true" });
    meter.style.setProperty("--reward", value);
    if (threshold >= 0 && threshold <= 1) meter.style.setProperty("--threshold", threshold);
    it.append(meter);
  }
  return it;
}

function card(step, run, source) {
  const fate = step.kept ? "" : run.judged ? "rejected" : "not chosen";
  return element("div", { class: `step ${step.source}${step.kept ? "" : " lost"}` },
    element("p", { class: "who" },
      element("b", {}, `${SIGNS[step.source]} ${step.source}`),
      ...(fate ? [element("i", {}, fate)] : []),
      ...(step.reward === null ? [] : [rewardOf(step, run)]),
      element("span", {}, `${step.tokens} token${step.tokens === 1 ? "" : "s"}`)),
    shown(step.text, source, step.kept ? "div" : "del"));
}

/** The rejected candidates of one step, folded. */
function losers(steps, run, source, open) {
  const word = run.judged ? "rejected" : "not chosen", one = steps[0];
  const summary = steps.length > 1 ? `${steps.length} candidates ${word}`
    : `${SIGNS[one.source]} ${one.source} ${word}${one.reward === null ? "" : `, reward ${one.reward}`}`;
  const it = element("details", { class: "losers" }, element("summary", {}, summary));
  // Filled when expanded, because beam search leaves many.
  const fill = () => it.childElementCount > 1 || it.append(...steps.map((step) => card(step, run, source)));
  it.addEventListener("toggle", fill);
  if (open) {
    it.open = true;
    fill();
  }
  return it;
}

function stepsOf(solution, run, source) {
  const places = new Map();
  for (const [index, writer, kept, reward, tokens, , text] of solution.steps) {
    if (!places.has(index)) places.set(index, []);
    places.get(index).push({ source: writer, kept: Boolean(kept), reward, tokens, text });
  }
  const items = [...places].sort(([a], [b]) => a - b).map(([, steps]) => {
    const kept = steps.filter((step) => step.kept), lost = steps.filter((step) => !step.kept);
    const cards = kept.map((step) => card(step, run, source));
    return element("li", {}, ...cards, ...(lost.length ? [losers(lost, run, source, !kept.length)] : []));
  });
  return items.length ? element("ol", { class: "steps" }, ...items) : element("p", { class: "note" }, "No steps.");
}

function verdictOf(solution, letter) {
  const it = element("p", { class: "verdict" }, badge(letter)), grade = solution.grade;
  if (grade && grade.prediction !== null) {
    it.append(" Extracted answer: ", shown(grade.prediction, true, "b"), ` (${grade.how}).`);
  } else if (grade) it.append(` No answer extracted (${grade.how}).`);
  if (grade && grade.correct !== null && grade.paper !== null && grade.correct !== grade.paper) {
    it.append(" ", element("em", {}, `The paper's grader says ${grade.paper ? "right" : "wrong"}.`));
  }
  return it;
}

function endOf(solution) {
  const time = solution.seconds === null ? "; no time, because the step cache answered"
    : ` after ${solution.seconds} s`;
  const it = element("p", { class: "note" }, `Stopped by ${solution.stop}${time}.`);
  if (solution.lost || solution.retries) {
    it.append(` Retried requests: ${solution.retries}; ${solution.lost} s lost to failed requests and waiting.`);
  }
  if (solution.error !== null) it.append(" Error: ", shown(solution.error, true, "span"));
  return it;
}

/** How the runs `wanted` solved `problem`, beside each other. */
function solutionsOf(problem, wanted, runs, letters, source) {
  return wanted.filter((run) => problem.solutions[run]).map((run) => {
    const solution = problem.solutions[run], label = runs[run].label;
    return element("section", { class: "solution", "aria-label": label },
      ...(wanted.length > 1 ? [element("h4", {}, label)] : []),
      verdictOf(solution, letters[run]), stepsOf(solution, runs[run], source), endOf(solution));
  });
}
