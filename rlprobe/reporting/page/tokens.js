// How a token looks: its text as segments, the mark of its class or of one number, an arm's gates and edits.

const CLASSES = ["unchanged", "reranked", "shifted"];

// What a token can be coloured by (views.py says how), and where its number stands in a reading.
const NUMBER_OF = {
  entropy_base: (r) => r.entropy[0],
  entropy_rl: (r) => r.entropy[1],
  delta: (r) => r.delta,
  kl: (r) => r.kl,
  rank: (r) => r.rankOfRl,
};
const VIEWS = { class: { label: "class" } };
for (const view of head.views) VIEWS[view.name] = { ...view, of: NUMBER_OF[view.name] };

function element(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content.filter((part) => part !== null && part !== undefined));
  return made;
}

// One segment of glyphs.py as a node.
function segmentNode(segment) {
  if (typeof segment === "string") return document.createTextNode(segment);
  const [kind, mark, text] = segment;
  if (kind !== "space") return element("span", kind, mark);
  const made = element("span", text === " " || text === "\u00a0" ? "ws blank" : "ws", text);
  made.dataset.mark = mark;
  return made;
}

function tokenText(number, marked = false) {
  const nodes = lexicon.segments[number].map((segment) =>
    marked && segment[0] === "space" && typeof segment !== "string" ? element("span", "mark", segment[1]) : segmentNode(segment));
  return nodes;
}

const SPOKEN = { "·": "space", "⏎": "new line", "→": "tab", "⍽": "no-break space" };

// What a token is called where it is heard instead of seen.
function tokenName(number, cls = 0) {
  const parts = lexicon.segments[number].map((s) => (typeof s === "string" ? s : s[0] === "space" ? SPOKEN[s[1]] : s[0] === "bytes" ? `bytes ${s[1]}` : s[1]));
  return `${parts.join(" ")}${cls ? `, ${CLASSES[cls]}` : ""}`;
}

// A token of `text` (see texts.js) at position t, with everything that is known of it.
function tokenElement(text, t) {
  const made = element("span", "tok", ...tokenText(text.ids[t]));
  made.dataset.t = t;
  made.tabIndex = -1;
  made.view = text;
  const read = text.read(t);
  made.setAttribute("role", "button");
  made.setAttribute("aria-label", tokenName(text.ids[t], read?.cls));
  if (read && read.cls) made.classList.add(CLASSES[read.cls]);
  if (text.after !== null && t >= text.after) made.classList.add("after");
  return made;
}

// The gates and edits of an arm, on a token of its own or of a text that it shares.
function markEdits(token, arm, t) {
  if (arm.gated.has(t)) token.classList.add("gated");
  if (!arm.host.has(t)) return;
  token.classList.add("edited");
  const host = element("span", "host", ...tokenText(arm.host.get(t), true));
  host.title = "the host's own choice";
  token.before(host);
}

function colourBy(view, container) {
  const { of, end, log, colour, below } = VIEWS[view];
  container.classList.toggle("by-class", !of);
  container.classList.toggle("by-number", Boolean(of));
  for (const token of container.querySelectorAll(".tok")) {
    const read = of && token.view.read(Number(token.dataset.t));
    const value = read ? of(read) : null;
    token.classList.toggle("has", value !== null);
    token.classList.toggle("below", value !== null && value < 0);
    if (value === null) continue;
    const size = log ? Math.log(value) / Math.log(end) : Math.abs(value) / end;
    token.style.setProperty("--v", Math.min(1, size).toFixed(3));
    token.style.setProperty("--of", `var(${value < 0 && below ? below : colour})`);
  }
}

// The line that says what the marks mean.
function keyOf(view) {
  const { of, end, unit, colour, below, log, words } = VIEWS[view];
  const marks = head.marks.map(([name, said]) => sample("by-class", name, said));
  if (!of) return marks;
  const ramp = element("span", "ramp");
  const far = `color-mix(in srgb, var(${colour}) 60%, transparent)`;
  const near = below ? `color-mix(in srgb, var(${below}) 60%, transparent), transparent` : "transparent";
  ramp.style.setProperty("background-image", `linear-gradient(to right, ${near}, ${far})`);
  const from = below ? `−${end}` : log ? "1" : "0";
  return [element("span", "", `${words}: ${from}`, ramp, `${end} ${unit} or more`), ...marks.slice(2)]; // of an arm: gated, edited
}

function sample(by, name, words) {
  return element("span", by, element("span", "tokens", element("span", `tok ${name}`, "token")), ` ${words}`);
}
