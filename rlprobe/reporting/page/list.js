// The list of problems: its columns, its order, and which of them are shown.

const GLYPH = { r: "✓", w: "✗", n: "∅", u: "?", t: "⧖", "-": "–", " ": "" };
const WORDS = { ...head.verdicts, " ": "not in the run" };
const armIndex = (name) => head.arms.findIndex((arm) => arm.name === name);
const base = armIndex("base");
const rl = armIndex("rl");
const filters = document.getElementById("filters");
const list = document.getElementById("list");

const VERDICTS = {
  any: ["any", () => true],
  repaired: ["base wrong, RL right", (b, r) => b !== "r" && r === "r"],
  broken: ["base right, RL wrong", (b, r) => b === "r" && r !== "r"],
  both: ["both right", (b, r) => b === "r" && r === "r"],
  neither: ["both wrong", (b, r) => b !== "r" && r !== "r"],
};
const ARM_VERDICTS = { any: ["any verdict", () => true], right: ["right", (v) => v === "r"], wrong: ["not right", (v) => v !== "r" && v !== " "] };

// What changed from base to RL, best first.
const CHANGES = ["repaired", "broken", "both right", "both wrong"];
function changeOf(problem) {
  const [b, r] = [problem.verdicts[base], problem.verdicts[rl]];
  if (problem.left_out !== null || [b, r].some((v) => v === undefined || v === " " || v === "-")) return null;
  return b === "r" ? (r === "r" ? "both right" : "broken") : r === "r" ? "repaired" : "both wrong";
}

// Columns: key, title, class, number or text to sort by, cell, words. `n`: the number of a trajectory.
function columns() {
  const found = [
    ["problem", "problem", "", (p) => p.index, (p) => openButton(p)],
    ["question", "question", "question", (p) => p.question, (p) => p.question],
  ];
  for (const [name, i] of [["base", base], ["RL", rl]]) if (i >= 0) found.push([name, name, "", (p) => p.verdicts[i], (p) => verdict(p.verdicts[i])]);
  if (base >= 0 && rl >= 0) found.push(["change", "change", "", (p) => rankOfChange(p), (p) => changeOf(p), "repaired: base wrong, RL right; broken: the reverse"]);
  head.trajectories.forEach((name, n) => {
    const title = NAMES[name] ?? name;
    found.push([`tokens ${name}`, `${title} tokens`, "n", (p) => p.tokens[armIndex(name)], (p) => p.tokens[armIndex(name)]]);
    found.push([`reranked ${name}`, "reranked", "n", (p) => p.classes[n]?.[0], (p) => p.classes[n]?.[0], `reranked tokens of ${title}'s text`]);
    found.push([`shifted ${name}`, "shifted", "n", (p) => p.classes[n]?.[1], (p) => p.classes[n]?.[1], `shifted tokens of ${title}'s text`]);
  });
  if (base >= 0 && rl >= 0) found.push(["part", "part at", "n", (p) => p.parts, (p) => p.parts ?? "never", "the first position at which base and RL differ"]);
  const arm = chosenArm();
  if (arm >= 0) {
    found.push(["arm", "arm", "", (p) => p.verdicts[arm], (p) => verdict(p.verdicts[arm]), head.arms[arm].label]);
    found.push(["edited", "edited", "n", (p) => p.edited[arm], (p) => p.edited[arm], `edited tokens of ${head.arms[arm].label}`]);
  }
  return found;
}

function rankOfChange(problem) {
  const change = changeOf(problem);
  return change === null ? null : CHANGES.indexOf(change);
}

function openButton(problem) {
  const made = element("button", "", problem.id);
  made.type = "button";
  return made;
}

function verdict(letter) {
  const made = element("span", `verdict ${letter.trim()}`, GLYPH[letter]);
  made.title = WORDS[letter];
  made.setAttribute("aria-label", WORDS[letter]);
  made.setAttribute("role", "img");
  return made;
}

const chosenArm = () => (filters.elements.arm.value === "" ? -1 : Number(filters.elements.arm.value));

const FIRST_ORDER = { column: base >= 0 && rl >= 0 ? "change" : "problem", falling: false };
let order = { ...FIRST_ORDER };
let shown = []; // problems of the list, filtered and sorted

function wanted(problem) {
  const f = filters.elements;
  const words = f.search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const haystack = `${problem.id} ${problem.question} ${problem.answer}`.toLowerCase();
  const counts = problem.classes[Number(f.trajectory.value)] ?? [0, 0];
  const arm = chosenArm();
  const phrase = wantedWords();
  return (words.every((word) => haystack.includes(word)) || (phrase && scan.words === phrase && scan.hits.has(problem.index)))
    && (f.verdicts.value === "any" || (problem.left_out === null && VERDICTS[f.verdicts.value][1](problem.verdicts[base], problem.verdicts[rl])))
    && counts[0] >= Number(f.reranked.value) && counts[1] >= Number(f.shifted.value)
    && (arm < 0 || (ARM_VERDICTS[f.armVerdict.value][1](problem.verdicts[arm]) && (problem.edited[arm] ?? 0) >= Number(f.edited.value)));
}

function compared(a, b, falling) {
  if (a === b) return 0;
  if (a === null || a === undefined) return 1; // what is missing comes last, rising or falling
  if (b === null || b === undefined) return -1;
  const rising = typeof a === "number" ? a - b : a < b ? -1 : 1;
  return falling ? -rising : rising;
}

function drawList() {
  const columnsNow = columns();
  if (!columnsNow.some(([key]) => key === order.column)) order = { ...FIRST_ORDER };
  const sortKey = columnsNow.find(([key]) => key === order.column)[3];
  shown = head.problems.filter(wanted).sort((a, b) => compared(sortKey(a), sortKey(b), order.falling) || a.index - b.index);
  const headings = columnsNow.map(([key, title, className, , , words]) => heading(key, title, className, words, order));
  list.querySelector("thead").replaceChildren(element("tr", "", ...headings));
  list.querySelector("tbody").replaceChildren(...shown.map((problem) => line(problem, columnsNow)));
  document.getElementById("count").value = `${shown.length.toLocaleString("en")} of ${head.problems.length.toLocaleString("en")}${scanned()}`;
  markCurrent();
  drawPlaces();
}

function heading(key, title, className, words, sorted) {
  const sorting = element("button", "", title);
  sorting.type = "button";
  sorting.dataset.column = key;
  const made = element("th", className, sorting);
  made.scope = "col";
  if (words) made.title = words;
  if (key === sorted.column) made.setAttribute("aria-sort", sorted.falling ? "descending" : "ascending");
  return made;
}

function line(problem, found) {
  const cells = found.map(([, , className, , cell]) => element("td", className, cell(problem) ?? "–"));
  const made = element("tr", "", ...cells);
  made.dataset.index = problem.index;
  if (problem.left_out) made.title = `left out: ${problem.left_out}`;
  return made;
}

function markCurrent() {
  list.querySelector("[aria-current]")?.removeAttribute("aria-current");
  const current = opened && list.querySelector(`tr[data-index="${opened.index}"]`);
  current?.setAttribute("aria-current", "true");
}

function sortBy(column) {
  const numeric = columns().find(([key]) => key === column)[2] === "n";
  order = { column, falling: order.column === column ? !order.falling : numeric };
  drawList();
  list.querySelector(`th button[data-column="${CSS.escape(column)}"]`).focus();
  remember();
}

function options(select, entries) {
  select.replaceChildren(...entries.map(([value, words]) => Object.assign(element("option", "", words), { value })));
}

function startList() {
  head.problems.forEach((problem, index) => { problem.index = index; });
  const f = filters.elements;
  options(f.verdicts, Object.entries(VERDICTS).map(([value, [words]]) => [value, words]));
  options(f.trajectory, head.trajectories.map((name, n) => [n, `${NAMES[name] ?? name}'s text`]));
  options(f.armVerdict, Object.entries(ARM_VERDICTS).map(([value, [words]]) => [value, words]));
  const arms = head.arms.map((arm, i) => [i, arm.label]).filter(([i]) => i !== base && i !== rl);
  options(f.arm, [["", "none"], ...arms]);
  document.getElementById("arm-filter").hidden = arms.length === 0;
  f.verdicts.parentElement.hidden = base < 0 || rl < 0;
  const filtered = () => {
    searchResponses();
    drawList();
    rememberSoon();
  };
  filters.addEventListener("input", filtered);
  filters.addEventListener("reset", () => setTimeout(filtered));
  filters.addEventListener("submit", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const button = event.target.closest("th button");
    if (button) return sortBy(button.dataset.column);
    const row = event.target.closest("tbody tr");
    return row && openProblem(Number(row.dataset.index));
  });
  firstAddress();
  drawList();
}
