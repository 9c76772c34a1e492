// How a token looks: its text as segments, the mark of its class or of one number, an arm's gates and edits.

const CLASSES = ["unchanged", "reranked", "shifted"];

// What a token can be coloured by: its words, the number (null: none), where the scale ends, the colour.
const VIEWS = {
  class: { label: "class" },
  entropy_base: { label: "entropy of base", of: (r) => r.entropy[0], end: 2.5, unit: "nats", colour: "--base" },
  entropy_rl: { label: "entropy of RL", of: (r) => r.entropy[1], end: 2.5, unit: "nats", colour: "--rl" },
  delta: { label: "Δ log p", of: (r) => r.delta, end: 3, unit: "nats", colour: "--rl", below: "--base" },
  kl: { label: "KL(RL ‖ base)", of: (r) => r.kl, end: 2, unit: "nats", colour: "--reranked" },
  rank: { label: "base rank of RL's choice", of: (r) => r.rankOfRl, end: 20, log: true, unit: "", colour: "--shifted" },
};

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

// A token of `text` (see reader.js) at position t, with everything that is known of it.
function tokenElement(text, t) {
  const made = element("span", "tok", ...tokenText(text.ids[t]));
  made.dataset.t = t;
  made.tabIndex = -1;
  made.view = text;
  const read = text.read(t);
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
  const { of, end, unit, colour, below, label } = VIEWS[view];
  const edits = [["gated", "gated: an arm's gate fired"], ["edited", "edited, after the host's own choice, struck out"]];
  if (!of) {
    const marks = [["reranked", `reranked: RL's choice is in the base's top ${head.k}`], ["shifted", "shifted: it is not"]];
    return [...marks, ...edits].map(([name, words]) => sample("by-class", name, words));
  }
  const ramp = element("span", "ramp");
  const far = `color-mix(in srgb, var(${colour}) 60%, transparent)`;
  const near = below ? `color-mix(in srgb, var(${below}) 60%, transparent), transparent` : "transparent";
  ramp.style.setProperty("background-image", `linear-gradient(to right, ${near}, ${far})`);
  const from = below ? `−${end}` : view === "rank" ? "1" : "0";
  const words = below ? `${label}, RL − base, of the token present; bar at the foot: promoted, at the top: suppressed` : label;
  return [element("span", "", `${words}: ${from}`, ramp, `${end} ${unit} or more`), ...edits.map(([n, w]) => sample("by-class", n, w))];
}

function sample(by, name, words) {
  return element("span", by, element("span", "tokens", element("span", `tok ${name}`, "token")), ` ${words}`);
}
