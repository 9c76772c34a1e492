// The address says what is open: problem, token, third column, colours, filters and order. Back goes to what was before.

// Fields of the form that stand in the address, where they are not as they are at first.
const FIELDS = ["search", "verdicts", "reranked", "shifted", "trajectory", "arm", "armVerdict", "edited"];

function address() {
  const said = new URLSearchParams();
  const f = filters.elements;
  if (opened) {
    said.set("problem", head.problems[opened.index].id);
    if (lastToken) said.set("at", `${lastToken.view.arm.name}:${lastToken.dataset.t}`);
    if (opened.third !== null) said.set("third", head.arms[opened.third].name);
    if (document.getElementById("view").value !== "class") said.set("view", document.getElementById("view").value);
    if (document.getElementById("find").value) said.set("find", document.getElementById("find").value);
  }
  for (const name of FIELDS) if (f[name].value !== atFirst[name]) said.set(name, name === "arm" ? head.arms[Number(f.arm.value)].name : f[name].value);
  if (f.inResponses.checked) said.set("responses", "yes");
  if (order.column !== FIRST_ORDER.column || order.falling) said.set("order", `${order.column}${order.falling ? " falling" : ""}`);
  return said;
}

let pending = null;
function rememberSoon() { // a browser stops listening to a page that changes its address at every key
  clearTimeout(pending);
  pending = setTimeout(() => remember(), 200);
}

function remember(push = false) {
  clearTimeout(pending);
  pending = null;
  const hash = `#${address()}`;
  if (hash === location.hash || (hash === "#" && !location.hash)) return;
  history[push ? "pushState" : "replaceState"](null, "", hash);
}

// What an address says; a bare name is that of a problem.
function said() {
  const hash = location.hash.slice(1);
  let bare = hash;
  try { bare = decodeURIComponent(hash); } catch { /* no name */ }
  const named = head.problems.some((problem) => problem.id === bare);
  return named ? new URLSearchParams([["problem", bare]]) : new URLSearchParams(hash);
}

let atFirst = {};
function firstAddress() {
  atFirst = Object.fromEntries(FIELDS.map((name) => [name, filters.elements[name].value]));
}

async function openAddress() {
  clearTimeout(pending);
  pending = null;
  const wanted = said();
  const part = document.getElementById(location.hash.slice(1));
  if (part && !wanted.has("problem")) { // of the page
    if (part.matches("details")) part.open = true;
    return part.scrollIntoView();
  }
  const f = filters.elements;
  for (const name of FIELDS) {
    f[name].value = wanted.has(name) ? fieldValue(name, wanted.get(name)) : atFirst[name];
    if (f[name].selectedIndex < 0) f[name].value = atFirst[name]; // none of the choices
  }
  f.inResponses.checked = wanted.has("responses");
  const [, column, falling] = /^(.*?)( falling)?$/.exec(wanted.get("order") ?? FIRST_ORDER.column);
  order = { column, falling: Boolean(falling) };
  searchResponses();
  drawList();
  const view = document.getElementById("view");
  view.value = wanted.get("view") ?? "class";
  if (!view.value) view.value = "class";
  document.getElementById("find").value = wanted.get("find") ?? "";
  const index = head.problems.findIndex((problem) => problem.id === wanted.get("problem"));
  if (index < 0) return closeProblem();
  const at = /^(.*):(\d+)$/.exec(wanted.get("at") ?? "");
  await openProblem(index, { push: false, third: wanted.get("third") ?? "", at: at ? { arm: at[1], t: Number(at[2]) } : undefined });
}

const fieldValue = (name, value) => (name === "arm" ? String(Math.max(0, armIndex(value))) : value);

function closeProblem() {
  opening += 1;
  opened = null;
  lastToken = null;
  reader.hidden = true;
  hideCard();
  markCurrent();
}
