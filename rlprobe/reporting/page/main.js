// The page starts: what a click, a key and a pointer do.

const DO = {
  previousProblem: () => stepProblem(-1),
  nextProblem: () => stepProblem(1),
  previousMark: () => stepMark(-1),
  nextMark: () => stepMark(1),
};

const KEYS = {
  j: DO.nextMark,
  k: DO.previousMark,
  "[": DO.previousProblem,
  "]": DO.nextProblem,
  ArrowRight: () => stepToken(1),
  ArrowLeft: () => stepToken(-1),
  Escape: hideCard,
  "/": () => filters.elements.search.focus(),
  v: () => {
    const view = document.getElementById("view");
    view.selectedIndex = (view.selectedIndex + 1) % view.options.length;
    redraw();
  },
  w: () => document.getElementById("white").click(),
};

function onKey(event) {
  const typing = event.target.closest?.("input, select, textarea");
  if (event.ctrlKey || event.metaKey || event.altKey || (typing && event.key !== "Escape")) return;
  const arrow = event.key.startsWith("Arrow");
  if (!(event.key in KEYS) || (arrow && !current()) || (reader.hidden && event.key !== "/")) return;
  event.preventDefault();
  KEYS[event.key]();
}

function startReader() {
  options(document.getElementById("view"), Object.entries(VIEWS).map(([name, view]) => [name, view.label]));
  document.getElementById("view").addEventListener("change", redraw);
  document.getElementById("third").addEventListener("change", drawProblem);
  document.getElementById("white").addEventListener("change", (event) => place.classList.toggle("show-white", event.target.checked));
  reader.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (button) DO[button.dataset.do]();
    const token = event.target.closest("#problem .tok");
    if (token) focusToken(token);
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
  });
  place.addEventListener("focusout", hideCard);
  addEventListener("scroll", () => !card.hidden && (current() ? showCard(current()) : hideCard()), { passive: true });
}

function openAddress() {
  const id = decodeURIComponent(location.hash.slice(1));
  const index = head.problems.findIndex((problem) => problem.id === id);
  if (index >= 0) openProblem(index);
}

// after the numbers are on the screen
setTimeout(() => {
  startList();
  startReader();
  addEventListener("keydown", onKey);
  addEventListener("hashchange", openAddress);
  openAddress();
});
