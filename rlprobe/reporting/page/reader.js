// One problem: what the texts share, then the texts side by side from the first token at which they part.

const reader = document.getElementById("reader");
const place = document.getElementById("problem");
let opened = null; // {index, payload, texts, third}
let opening = 0; // how often a problem was asked for: the last one is shown

// `at`: {arm, t} of the token to go to; `third`: the name of the arm in the third column.
async function openProblem(index, { quietly = false, push = true, third, at } = {}) {
  const problem = head.problems[index];
  if (push && pending) remember();
  hideCard();
  document.getElementById("h-reader").textContent = problem.id;
  reader.hidden = false;
  const mine = ++opening;
  let payload = { responses: [], prompt: [], ifs: [] };
  try {
    if (problem.left_out === null) payload = await problemPayload(index);
  } catch (error) {
    place.replaceChildren(element("p", "note", `This problem cannot be opened: ${error.message}.`));
    return;
  }
  if (mine !== opening) return;
  opened = { index, payload, third: opened?.third };
  lastToken = null;
  offerThird(payload.responses, third);
  drawProblem();
  markCurrent();
  remember(push);
  if (at) return goTo(at);
  if (!quietly) {
    reader.scrollIntoView({ block: "start" });
    document.getElementById("h-reader").focus({ preventScroll: true });
  }
}

function goTo({ arm, t }) {
  const text = opened.texts.find((each) => each.arm.name === arm && each.response.draw === 0);
  const token = text && tokenAt(text, t);
  if (token) focusToken(token);
}

// The responses that may stand in the third column; the wanted arm, or the one of the filter, is chosen.
function offerThird(responses, wanted) {
  const select = document.getElementById("third");
  const others = responses.map((r, i) => [String(i), new Text(r, []).label, r.arm]).filter(([, , arm]) => arm !== base && arm !== rl);
  const before = select.value === "" ? chosenArm() : opened.third;
  const match = others.find(([, , arm]) => arm === (wanted === undefined ? before : armIndex(wanted)));
  options(select, [["", "none"], ...others]);
  select.value = match ? match[0] : "";
  select.parentElement.hidden = others.length === 0;
  if (others.length && base < 0 && rl < 0) select.value = match ? match[0] : others[0][0];
}

function drawProblem() {
  const { responses, ifs, prompt } = opened.payload;
  const problem = head.problems[opened.index];
  const third = document.getElementById("third").value;
  const chosen = responses.filter((r, i) => (r.arm === base || r.arm === rl) ? true : String(i) === third);
  opened.third = third === "" ? null : responses[Number(third)].arm;
  chosen.sort((a, b) => rankOf(a) - rankOf(b));
  const texts = chosen.map((r) => new Text(r, responses, ifs));
  opened.texts = texts;
  const question = element("p", "question-text", problem.question);
  question.dir = "auto";
  const parts = [question, element("p", "gold", "gold answer ", element("b", "", element("bdi", "", problem.answer)))];
  if (prompt.length) parts.push(promptOf(prompt));
  if (problem.left_out) parts.push(element("p", "note", `Left out: ${problem.left_out}.`));
  if (texts.length) parts.push(...sideBySide(texts));
  place.replaceChildren(...parts);
  place.querySelector(".tok")?.setAttribute("tabindex", "0");
  redraw();
  findInTexts();
}

const rankOf = (r) => (r.arm === base ? 0 : r.arm === rl ? 1 : 2);

function promptOf(ids) {
  const whole = completed(ids);
  const nodes = ids.flatMap((number, t) => [...tokenText(number), ...(whole.has(t) ? [element("bdi", "whole", whole.get(t))] : [])]);
  return element("details", "of-problem", element("summary", "", `The prompt, ${ids.length} tokens`), element("div", "tokens prompt-tokens", ...nodes));
}

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
  const said = r.answer === null ? [WORDS[letter]] : [`${WORDS[letter]}: `, element("bdi", "", r.answer)];
  return element("header", "", element("span", "line", element("b", "", text.label), verdict(letter), " ", ...said),
    element("span", "line", counts.filter(Boolean).join(" · ")), text.who === "who-arm" && text.arm.spec !== text.label ? element("span", "line", text.arm.spec) : null,
    strip(text));
}

function redraw() {
  const view = document.getElementById("view").value;
  document.getElementById("key").replaceChildren(...keyOf(view));
  colourBy(view, place);
  where();
}

// ---- going from token to token

const tokens = () => [...place.querySelectorAll(".tok")];
const marks = () => [...place.querySelectorAll(".tok[data-marked]")];
const current = () => (document.activeElement?.classList.contains("tok") ? document.activeElement : null);

function stepMark(by) {
  step(marks(), by);
}

// From the token in focus, or the last that was, to the next of some tokens, round and round.
function step(all, by) {
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
  const all = tokens();
  const next = all[all.indexOf(current()) + by];
  if (next) focusToken(next);
}

// To the token above or below, of those in the same column; else to that of the part before or behind.
function stepLine(by) {
  const here = current();
  const box = here.getBoundingClientRect();
  const middle = (box.left + box.right) / 2;
  const away = (token) => {
    const other = token.getBoundingClientRect();
    return [by * (other.top - box.top), Math.abs((other.left + other.right) / 2 - middle)];
  };
  const beyond = tokens().map((token) => [token, ...away(token)]).filter(([, down]) => down > 4);
  const own = beyond.filter(([token]) => token.closest(".tokens") === here.closest(".tokens"));
  const nearest = (own.length ? own : beyond).sort((a, b) => a[1] - b[1] || a[2] - b[2]);
  const line = nearest.filter(([, down]) => down < nearest[0][1] + 4).sort((a, b) => a[2] - b[2]);
  if (line.length) focusToken(line[0][0]);
}

function stepColumn() {
  const flows = [...place.querySelectorAll(".tokens[role=group]")];
  const next = flows[(flows.indexOf(current()?.closest(".tokens")) + 1) % flows.length];
  focusToken(next?.querySelector(".tok"));
}

let lastToken = null;
function focusToken(token) {
  if (!token) return;
  place.querySelector('.tok[tabindex="0"]')?.setAttribute("tabindex", "-1");
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
