// The page starts: what a click, a key and a pointer do.

const DO = {
  previousProblem: () => stepProblem(-1),
  nextProblem: () => stepProblem(1),
  previousMark: () => stepMark(-1),
  nextMark: () => stepMark(1),
  nextFound: () => step(found(), 1),
};

const KEYS = {
  j: DO.nextMark,
  k: DO.previousMark,
  "[": DO.previousProblem,
  "]": DO.nextProblem,
  ArrowRight: () => stepToken(1),
  ArrowLeft: () => stepToken(-1),
  ArrowDown: () => stepLine(1),
  ArrowUp: () => stepLine(-1),
  Home: () => focusToken(tokens()[0]),
  End: () => focusToken(tokens().at(-1)),
  Enter: () => toggleIf(current()),
  " ": () => toggleIf(current()),
  c: stepColumn,
  n: DO.nextFound,
  f: () => document.getElementById("find").focus(),
  Escape: hideCard,
  "/": () => filters.elements.search.focus(),
  v: () => {
    const view = document.getElementById("view");
    view.selectedIndex = (view.selectedIndex + 1) % view.options.length;
    redraw();
    remember();
  },
  w: () => document.getElementById("white").click(),
};

function onKey(event) {
  const typing = event.target.closest?.("input, select, textarea");
  if (event.ctrlKey || event.metaKey || event.altKey || (typing && event.key !== "Escape")) return;
  const ofToken = event.key.length > 1 ? event.key !== "Escape" : event.key === " "; // else it is the browser's
  if (!(event.key in KEYS) || (ofToken && !current()) || (reader.hidden && event.key !== "/")) return;
  event.preventDefault();
  KEYS[event.key]();
}

function startReader() {
  options(document.getElementById("view"), Object.entries(VIEWS).map(([name, view]) => [name, view.label]));
  document.getElementById("view").addEventListener("change", () => { redraw(); remember(); });
  document.getElementById("third").addEventListener("change", () => { lastToken = null; drawProblem(); remember(); });
  document.getElementById("find").addEventListener("input", () => { findInTexts(); rememberSoon(); });
  document.getElementById("find").addEventListener("keydown", (event) => event.key === "Enter" && found().length && DO.nextFound());
  document.getElementById("white").addEventListener("change", (event) => place.classList.toggle("show-white", event.target.checked));
  reader.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (button) DO[button.dataset.do]();
    const token = event.target.closest("#problem .tok");
    if (!token) return;
    focusToken(token);
    toggleIf(token);
  });
  place.addEventListener("mouseover", (event) => {
    const token = event.target.closest(".tok");
    if (token) showCard(token);
  });
  place.addEventListener("mouseout", (event) => {
    if (event.target.closest(".tok")) current() ? showCard(current()) : hideCard();
  });
  place.addEventListener("focusin", (event) => {
    if (!event.target.classList.contains("tok")) return;
    lastToken = event.target;
    showCard(event.target);
    where();
    rememberSoon();
  });
  place.addEventListener("focusout", hideCard);
  addEventListener("scroll", () => !card.hidden && (current() ? showCard(current()) : hideCard()), { passive: true });
}

// after the numbers are on the screen
setTimeout(() => {
  startList();
  startReader();
  startPlaces();
  startSaving();
  addEventListener("keydown", onKey);
  addEventListener("popstate", openAddress);
  openAddress();
});
