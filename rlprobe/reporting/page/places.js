// The list of all disagreements: swap, entropy, rank, problem, outcome; each a link to its token.

const PAGE = 100; // rows drawn at once
const placesPart = document.getElementById("places");
const placesTable = document.getElementById("places-table");
let places = null; // rows, when they have been read
let placesOrder = { column: "problem", falling: false };
let rowsDrawn = 0;

// Columns: key, title, class, what to sort by, cell, words.
const PLACE_COLUMNS = [
  ["base", "base would say", "", (p) => plainToken(p.base), (p) => placeLink(p)],
  ["rl", "RL would say", "", (p) => plainToken(p.rl), (p) => quotedToken(p.rl)],
  ["class", "class", "", (p) => p.class, (p) => CLASSES[p.class]],
  ["entropy", "entropy of base", "n", (p) => p.entropy, (p) => `${small(p.entropy)}`, "nats, kept in 8 bits"],
  ["rank", "base rank", "n", (p) => p.rank, (p) => p.rank, "the base's rank of RL's choice"],
  ["text", "on", "", (p) => p.text, (p) => `${NAMES[p.text] ?? p.text}'s text`],
  ["position", "position", "n", (p) => p.position, (p) => p.position],
  ["problem", "problem", "", (p) => p.problem, (p) => head.problems[p.problem].id],
  ["change", "outcome of the problem", "", (p) => changeOf(head.problems[p.problem]), (p) => changeOf(head.problems[p.problem]) ?? "–"],
  ["outcome", "with the other token", "", (p) => p.outcome, (p) => p.outcome ?? "–", "what came of the text with the other model's token here: decoded by rlprobe flips and rlprobe consequences"],
];

const plainToken = (number) => lexicon.segments[number].map((s) => (typeof s === "string" ? s : s[1])).join("");

function placeLink(place) {
  const link = element("a", "", quotedToken(place.base));
  const problem = head.problems[place.problem].id;
  link.href = `#${new URLSearchParams([["problem", problem], ["at", `${place.text}:${place.position}`]])}`;
  Object.assign(link.dataset, { problem: place.problem, text: place.text, position: place.position });
  link.setAttribute("aria-label", `${tokenName(place.base)}: open ${problem} at position ${place.position} of ${NAMES[place.text] ?? place.text}'s text`);
  return link;
}

async function readPlaces() {
  if (places) return;
  const columns = await withLexicon("places");
  places = columns.problem.map((problem, i) => ({
    problem,
    text: head.trajectories[columns.text[i]],
    position: columns.position[i],
    class: columns.class[i],
    base: columns.base[i],
    rl: columns.rl[i],
    entropy: nats("entropy", columns.entropy[i]),
    rank: columns.rank[i],
    outcome: columns.outcome[i],
  }));
  drawPlaces();
}

// Those of the problems that the list shows, in their order.
function wantedPlaces() {
  const here = new Set(shown.map((problem) => problem.index));
  const key = PLACE_COLUMNS.find(([name]) => name === placesOrder.column)[3];
  const chosen = document.getElementById("places-filtered").checked ? places.filter((p) => here.has(p.problem)) : places;
  return chosen.toSorted((a, b) => compared(key(a), key(b), placesOrder.falling) || a.problem - b.problem || a.position - b.position);
}

function drawPlaces(more = PAGE) {
  if (!places) return;
  const wanted = wantedPlaces();
  rowsDrawn = Math.min(more, wanted.length);
  const headings = PLACE_COLUMNS.map(([key, title, className, , , words]) => heading(key, title, className, words, placesOrder));
  placesTable.tHead.replaceChildren(element("tr", "", ...headings));
  placesTable.tBodies[0].replaceChildren(...wanted.slice(0, rowsDrawn).map((p) => element("tr", "", ...PLACE_COLUMNS.map(([, , className, , cell]) => element("td", className, cell(p))))));
  document.getElementById("places-count").value = `${rowsDrawn.toLocaleString("en")} of ${wanted.length.toLocaleString("en")} shown`;
  document.getElementById("places-more").hidden = rowsDrawn === wanted.length;
}

function placesCsv() {
  const header = ["base_would_say", "rl_would_say", "class", "entropy_base", "rank_base_of_rl", "text", "position", "problem_id", "problem_outcome", "with_the_other_token"];
  const rows = wantedPlaces().map((p) => [plainToken(p.base), plainToken(p.rl), CLASSES[p.class], p.entropy, p.rank, p.text, p.position, head.problems[p.problem].id, changeOf(head.problems[p.problem]), p.outcome]);
  return asCsv([header, ...rows]);
}

function startPlaces() {
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    readPlaces().catch((error) => { document.getElementById("places-count").value = `cannot be read: ${error.message}`; });
  }, { rootMargin: "400px" }).observe(placesPart);
  placesTable.tHead.addEventListener("click", (event) => {
    const clicked = event.target.closest("button");
    if (!clicked) return;
    const { column } = clicked.dataset;
    const numeric = PLACE_COLUMNS.find(([name]) => name === column)[2] === "n";
    placesOrder = { column, falling: placesOrder.column === column ? !placesOrder.falling : numeric };
    drawPlaces();
  });
  placesTable.tBodies[0].addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return; // into another window: the browser's own way
    event.preventDefault(); // the filters stay
    openProblem(Number(link.dataset.problem), { at: { arm: link.dataset.text, t: Number(link.dataset.position) } });
  });
  document.getElementById("places-filtered").addEventListener("change", () => drawPlaces());
  document.getElementById("places-more").addEventListener("click", () => drawPlaces(rowsDrawn + 5 * PAGE));
  document.getElementById("places-tools").append(button("CSV", () => saved("disagreements.csv", placesCsv()), "save the list of disagreements as CSV"));
}
