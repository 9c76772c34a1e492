// Words in responses: which problems have them, and where they stand in the open one.

let scan = { words: "", hits: new Set(), read: 0 };
const searchable = new Map(); // index of a problem -> its responses as text, once they were read

async function textsOf(index) {
  if (head.problems[index].left_out !== null) return [];
  if (!searchable.has(index)) {
    const { responses } = await problemPayload(index);
    searchable.set(index, responses.map((r) => characters(r.ids).text.toLowerCase()));
  }
  return searchable.get(index);
}

const wantedWords = () => (filters.elements.inResponses.checked ? filters.elements.search.value.toLowerCase().trim() : "");

// Read every response for what is searched; the list grows as they are read. Another search ends this one.
async function searchResponses() {
  const words = wantedWords();
  if (words === scan.words) return;
  const mine = { words, hits: new Set(), read: 0 };
  scan = mine;
  for (const problem of words ? head.problems : []) {
    const texts = await textsOf(problem.index);
    if (scan !== mine) return;
    mine.read += 1;
    if (texts.some((text) => text.includes(words))) mine.hits.add(problem.index);
    if (mine.read % 25 === 0 || mine.read === head.problems.length) drawList();
  }
}

const scanned = () => (scan.words && scan.read < head.problems.length ? ` (read ${scan.read})` : "");

// Mark what is looked for in the open problem; returns nothing, says how often it is there.
function findInTexts() {
  const words = document.getElementById("find").value.toLowerCase();
  place.querySelectorAll(".found").forEach((token) => token.classList.remove("found"));
  place.querySelectorAll("[data-begins]").forEach((token) => token.removeAttribute("data-begins"));
  if (words) for (const part of place.querySelectorAll(".tokens[role=group]")) markFound(part, words);
  const n = found().length;
  document.getElementById("found").value = words ? `${n || "no"} match${n === 1 ? "" : "es"}` : "";
}

function markFound(part, words) {
  const { text, starts, ends } = characters(part.text.ids);
  const lower = text.toLowerCase();
  const elements = [...part.querySelectorAll(".tok")];
  for (let at = lower.indexOf(words); at >= 0; at = lower.indexOf(words, at + words.length)) {
    const covered = elements.filter((token) => {
      const t = Number(token.dataset.t);
      return starts[t] < at + words.length && ends[t] > at;
    });
    covered.forEach((token) => token.classList.add("found"));
    covered[0]?.setAttribute("data-begins", "");
  }
}

const found = () => [...place.querySelectorAll("[data-begins]")];
