// Responses as texts: what both models say along one, its characters, and its tokens on the page.

// A response with everything that the page can say of its tokens.
class Text {
  constructor(response, all, ifs = []) {
    Object.assign(this, { response, ids: response.ids, arm: head.arms[response.arm], table: response.table ?? null });
    this.gated = gatedSet(response.gated);
    this.host = new Map(response.host ? response.host[0].map((t, i) => [t, response.host[1][i]]) : []);
    this.after = this.table ? this.table.after : null;
    this.others = new Map(response.draw ? [] : ifs.filter((each) => each.text === this.arm.name).map((each) => [each.position, each]));
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

  // This text, where another token could stand at t: base's or RL's own text, where the two disagree.
  ifs(t) {
    return MEMBERS.includes(this.arm.name) && this.table && this.read(t).cls > 0 ? [this] : [];
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

// A token of several texts: the notes of all of them.
function shared(text, marking) {
  return {
    ids: text.ids,
    arm: text.arm,
    read: (t) => marking.find((each) => each.table)?.read(t) ?? text.read(t),
    notes: (t) => marking.flatMap((each) => each.notes(t)),
    ifs: (t) => marking.flatMap((each) => each.ifs(t)),
  };
}

// ---- characters

// The bytes of a token that alone is no text; null where it is one.
function bytesOf(number) {
  const found = lexicon.segments[number]?.[0];
  return Array.isArray(found) && found[0] === "bytes" ? found[1].split(" ").map((b) => parseInt(b, 16)) : null;
}

// Position -> the characters that the bytes up to there complete; the inverse of how a tokenizer split them.
function completed(ids) {
  const found = new Map();
  let decoder = null;
  ids.forEach((number, t) => {
    const bytes = bytesOf(number);
    if (bytes === null) decoder = null;
    else {
      decoder ??= new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
      try {
        const whole = decoder.decode(Uint8Array.from(bytes), { stream: true });
        if (whole) found.set(t, whole);
      } catch {
        decoder = null;
      }
    }
  });
  return found;
}

const textOf = (number) => lexicon.segments[number].map((s) => (typeof s === "string" ? s : s[0] === "space" ? s[2] : "")).join("");

// The text of ids, and where in it each token begins and ends; the parts of a character all stand where it does.
function characters(ids) {
  const whole = completed(ids);
  const starts = [];
  let text = "";
  ids.forEach((number, t) => {
    starts.push(text.length);
    text += bytesOf(number) === null ? textOf(number) : whole.get(t) ?? "";
  });
  const ends = [...starts.slice(1), text.length];
  for (let t = ids.length - 2; t >= 0; t--) if (bytesOf(ids[t]) !== null && bytesOf(ids[t + 1]) !== null && !whole.has(t)) ends[t] = ends[t + 1];
  return { text, starts, ends };
}

// ---- tokens on the page

// Tokens from..to of a text; `marking` are the texts whose gates and edits show on them, `texts` those it parts from.
function flow(text, from, to, marking, texts = []) {
  const made = element("div", "tokens");
  made.setAttribute("role", "group");
  made.setAttribute("aria-label", marking.length > 1 ? `the opening of ${marking.map((each) => each.label).join(", ")}` : `${text.label}'s text`);
  Object.assign(made, { text, from, to });
  const forks = new Map();
  for (const other of texts) {
    const at = firstDifference(text.ids, other.ids);
    if (other !== text && at > from && at < text.ids.length) forks.set(at, [...(forks.get(at) ?? []), other.label]);
  }
  const whole = completed(text.ids);
  for (let t = from; t < to; t++) {
    if (forks.has(t)) made.append(element("span", "fork", `parts from ${forks.get(t).join(", ")}`));
    made.append(markedToken(text, t, marking));
    if (whole.has(t)) made.append(element("bdi", "whole", whole.get(t)));
  }
  for (const token of made.querySelectorAll(".tok")) for (const each of marking) markEdits(token, each, Number(token.dataset.t));
  return made;
}

function markedToken(text, t, marking) {
  const token = tokenElement(text, t);
  token.view = marking.length > 1 ? shared(text, marking) : text;
  if (marking.some((each) => each.isMarked(t))) token.dataset.marked = "";
  if (token.view.ifs(t).length) token.setAttribute("aria-expanded", "false");
  return token;
}

// The token of a text at a position, in its own column or in the opening that it shares.
function tokenAt(text, t) {
  const flows = [...place.querySelectorAll(".tokens[role=group]")];
  const own = flows.find((each) => each.from <= t && t < each.to && (each.text === text || each.closest(".shared")));
  return own?.querySelector(`.tok[data-t="${t}"]`) ?? null;
}
