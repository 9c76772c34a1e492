// One problem: what the texts share, then the texts side by side from the first token at which they part.

const reader = document.getElementById("reader");
const place = document.getElementById("problem");
let opened = null; // {index, responses}

// A response with everything that the page can say of its tokens.
class Text {
  constructor(response, all) {
    Object.assign(this, { response, ids: response.ids, arm: head.arms[response.arm], table: response.table ?? null });
    this.gated = gatedSet(response.gated);
    this.host = new Map(response.host ? response.host[0].map((t, i) => [t, response.host[1][i]]) : []);
    this.after = this.table ? this.table.after : null;
    // both models have read a text up to where it leaves a trajectory: position t depends on what stands before it only
    this.known = all.filter((other) => other.table && other !== response)
      .map((other) => ({ table: other.table, until: firstDifference(other.ids, response.ids), ids: other.ids }))
      .sort((a, b) => b.until - a.until)[0] ?? null;
  }

  read(t) {
    if (this.table) return reading(this.table, t);
    if (!this.known || t > this.known.until || t >= this.known.ids.length) return null;
    const found = reading(this.known.table, t);
    return this.known.ids[t] === this.ids[t] ? found : { ...found, delta: null, logprob: [null, null], rank: ["–", "–"] };
  }

  // What an arm did here, as lines of the card.
  notes(t) {
    const lines = [];
    if (this.host.has(t)) lines.push([`${this.label}: edited; the host would have said `, element("span", "tokens", ...tokenText(this.host.get(t), true)), `, id ${lexicon.ids[this.host.get(t)]}`]);
    else if (this.gated.has(t)) lines.push([`${this.label}: gated, and the token is the host's own choice`]);
    return lines;
  }

  get label() {
    return this.response.draw ? `${this.arm.label}, draw ${this.response.draw}` : this.arm.label;
  }

  get who() {
    return MEMBERS.includes(this.arm.name) ? `who-${this.arm.name}` : "who-arm";
  }

  isMarked(t) {
    return this.host.has(t) || (this.read(t)?.cls ?? 0) > 0;
  }
}

async function openProblem(index, quietly = false) {
  const problem = head.problems[index];
  hideCard();
  document.getElementById("h-reader").textContent = problem.id;
  reader.hidden = false;
  let responses = [];
  try {
    responses = problem.left_out === null ? await problemResponses(index) : [];
  } catch (error) {
    place.replaceChildren(element("p", "note", `This problem cannot be opened: ${error.message}.`));
    return;
  }
  opened = { index, responses };
  offerThird(responses);
  drawProblem();
  markCurrent();
  history.replaceState(null, "", `#${encodeURIComponent(problem.id)}`);
  if (!quietly) {
    reader.scrollIntoView({ block: "start" });
    document.getElementById("h-reader").focus({ preventScroll: true });
  }
}

// The responses that may stand in the third column, the arm of the filter first.
function offerThird(responses) {
  const select = document.getElementById("third");
  const before = select.value;
  const others = responses.map((r, i) => [String(i), new Text(r, []).label, r.arm]).filter(([, , arm]) => arm !== base && arm !== rl);
  options(select, [["", "none"], ...others]);
  const wantedArm = before === "" ? chosenArm() : opened.third;
  const match = others.find(([, , arm]) => arm === wantedArm);
  select.value = match ? match[0] : "";
  select.parentElement.hidden = others.length === 0;
  if (others.length && base < 0 && rl < 0) select.value = match ? match[0] : others[0][0];
}

function drawProblem() {
  const { responses } = opened;
  const problem = head.problems[opened.index];
  const third = document.getElementById("third").value;
  const chosen = responses.filter((r, i) => (r.arm === base || r.arm === rl) ? true : String(i) === third);
  opened.third = third === "" ? null : responses[Number(third)].arm;
  chosen.sort((a, b) => rankOf(a) - rankOf(b));
  const texts = chosen.map((r) => new Text(r, responses));
  const parts = [element("p", "question-text", problem.question), element("p", "gold", "gold answer ", element("b", "", problem.answer))];
  if (problem.left_out) parts.push(element("p", "note", `Left out: ${problem.left_out}.`));
  if (texts.length) parts.push(...sideBySide(texts));
  place.replaceChildren(...parts);
  place.querySelectorAll(".tokens").forEach((flow) => flow.querySelector(".tok")?.setAttribute("tabindex", "0"));
  redraw();
}

const rankOf = (r) => (r.arm === base ? 0 : r.arm === rl ? 1 : 2);

function sideBySide(texts) {
  const apart = Math.min(...texts.slice(1).map((text) => firstDifference(texts[0].ids, text.ids)), texts[0].ids.length);
  const columns = element("div", "columns", ...texts.map((text) => column(text, texts, apart)));
  columns.style.setProperty("--n", texts.length);
  if (texts.length === 1 || apart === 0) return [columns];
  const same = texts.every((text) => text.ids.length === apart);
  const words = same ? `The same text, ${apart} tokens` : `The same opening, ${apart} tokens`;
  return [element("p", "label", words), element("div", "shared", flow(texts[0], 0, apart, texts)), columns];
}

function column(text, texts, apart) {
  const from = texts.length === 1 ? 0 : apart;
  return element("article", text.who, columnHead(text), from < text.ids.length ? flow(text, from, text.ids.length, [text], texts) : null);
}

function columnHead(text) {
  const r = text.response;
  const letter = head.letters[r.status] ?? "-";
  const counts = [`${text.ids.length} tokens`, r.stop === "length" ? "cut at the limit" : null];
  if (text.table) counts.push(...[1, 2].map((c) => `${[...text.table.classes].filter((x) => Number(x) === c).length} ${CLASSES[c]}`));
  if (text.who === "who-arm") counts.push(`${text.gated.size} gated`, r.host ? `${text.host.size} edited` : "host not asked");
  const said = r.answer === null ? WORDS[letter] : `${WORDS[letter]}: ${r.answer}`;
  return element("header", "", element("span", "line", element("b", "", text.label), verdict(letter), ` ${said}`),
    element("span", "line", counts.filter(Boolean).join(" · ")), text.who === "who-arm" && text.arm.spec !== text.label ? element("span", "line", text.arm.spec) : null);
}

// Tokens from..to of a text; `marking` are the texts whose gates and edits show on them, `texts` those it parts from.
function flow(text, from, to, marking, texts = []) {
  const made = element("div", "tokens");
  made.text = text;
  const forks = new Map();
  for (const other of texts) {
    const at = firstDifference(text.ids, other.ids);
    if (other !== text && at > from && at < text.ids.length) forks.set(at, [...(forks.get(at) ?? []), other.label]);
  }
  for (let t = from; t < to; t++) {
    if (forks.has(t)) made.append(element("span", "fork", `parts from ${forks.get(t).join(", ")}`));
    const token = tokenElement(text, t);
    made.append(token);
    for (const each of marking) markEdits(token, each, t);
    if (marking.some((each) => each.isMarked(t))) token.dataset.marked = "";
    token.view = marking.length > 1 ? shared(text, marking) : text;
  }
  return made;
}

// A token of several texts: the notes of all of them.
function shared(text, marking) {
  return { ids: text.ids, read: (t) => marking.find((each) => each.table)?.read(t) ?? text.read(t), notes: (t) => marking.flatMap((each) => each.notes(t)) };
}

function redraw() {
  const view = document.getElementById("view").value;
  document.getElementById("key").replaceChildren(...keyOf(view));
  colourBy(view, place);
  where();
}

// ---- going from token to token

const marks = () => [...place.querySelectorAll(".tok[data-marked]")];
const current = () => (document.activeElement?.classList.contains("tok") ? document.activeElement : null);

function stepMark(by) {
  const all = marks();
  if (!all.length) return;
  const here = current() ?? lastToken;
  let at = here && place.contains(here) ? all.indexOf(here) : -1;
  if (at < 0 && here && place.contains(here)) {
    const behind = all.findIndex((mark) => here.compareDocumentPosition(mark) & Node.DOCUMENT_POSITION_FOLLOWING);
    at = by > 0 ? (behind < 0 ? -1 : behind - 1) : behind < 0 ? all.length : behind;
  } else if (at < 0 && by < 0) at = 0;
  focusToken(all[(at + by + all.length) % all.length]);
}

function stepToken(by) {
  const here = current();
  if (!here) return;
  const all = [...place.querySelectorAll(".tok")];
  const next = all[all.indexOf(here) + by];
  if (next) focusToken(next);
}

let lastToken = null;
function focusToken(token) {
  token.closest(".tokens").querySelector('.tok[tabindex="0"]')?.setAttribute("tabindex", "-1");
  token.tabIndex = 0;
  token.focus({ preventScroll: true });
  const { top, bottom } = token.getBoundingClientRect();
  if (top < 120 || bottom > innerHeight - 220) token.scrollIntoView({ block: "center", behavior: "instant" });
  showCard(token);
}

function where() {
  const all = marks();
  const at = all.indexOf(current() ?? lastToken);
  document.getElementById("where").value = all.length ? `${at < 0 ? "–" : at + 1} / ${all.length}` : "none";
}

function stepProblem(by) {
  const at = shown.findIndex((problem) => problem.index === opened?.index);
  const next = shown[at < 0 ? 0 : at + by];
  if (next) openProblem(next.index);
}
