// Where the marks of a response lie, from its first token to its last; a click goes to the nearest mark.

const SVG = "http://www.w3.org/2000/svg";

function drawn(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// Reranked hangs from the top, shifted fills the height, edited stands at the foot: told apart without colour.
const TICKS = { reranked: [0, 9], shifted: [0, 16], edited: [11, 5] };

function strip(text) {
  const n = text.ids.length;
  const made = drawn("svg", { class: "strip", viewBox: `0 0 ${n} 16`, preserveAspectRatio: "none", role: "img" });
  if (text.after !== null) made.append(drawn("rect", { class: "after", x: text.after, y: 0, width: n - text.after, height: 16 }));
  const at = [];
  for (let t = 0; t < n; t++) {
    const kinds = [CLASSES[text.table?.classes[t] ?? 0], text.host.has(t) ? "edited" : null].filter((kind) => kind in TICKS);
    if (kinds.length) at.push(t);
    for (const kind of kinds) {
      const [y, height] = TICKS[kind];
      made.append(drawn("rect", { class: kind, x: t, y, width: Math.max(1, n / 250), height }));
    }
  }
  const first = at.slice(0, 20).join(", ") + (at.length > 20 ? " …" : "");
  made.setAttribute("aria-label", `${at.length} marks among ${n} tokens${at.length ? `, at ${first}` : ""}`);
  made.addEventListener("click", (event) => {
    const box = made.getBoundingClientRect();
    const wanted = ((event.clientX - box.left) / box.width) * n;
    const nearest = at.toSorted((a, b) => Math.abs(a - wanted) - Math.abs(b - wanted))[0] ?? Math.min(n - 1, Math.floor(wanted));
    focusToken(tokenAt(text, nearest));
  });
  return made;
}
