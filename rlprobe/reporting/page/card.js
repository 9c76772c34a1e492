// The card of a token: what both models would have said here, and what an arm did.

const card = document.getElementById("card");

const signed = (x) => (x === null ? "–" : (x < 0 ? "−" : "+") + Math.abs(x).toFixed(Math.abs(x) < 0.1 ? 4 : 2));
const small = (x) => (x === null ? "–" : x === 0 ? "0" : x < 0.001 ? "<0.001" : x.toPrecision(2));
function percent(logprob) {
  const p = 100 * Math.exp(logprob);
  if (p >= 99.95) return "100 %";
  return p >= 9.95 ? `${p.toFixed(1)} %` : p >= 0.001 ? `${p.toPrecision(2)} %` : `${p.toExponential(0).replace("-", "−")} %`;
}

function cardContent(token) {
  const text = token.view;
  const t = Number(token.dataset.t);
  const read = text.read(t);
  const number = text.ids[t];
  const words = [`id ${lexicon.ids[number]}`, `position ${t}`, read && CLASSES[read.cls]].filter(Boolean).join(" · ");
  const parts = [element("div", "title", element("span", "tokens", ...tokenText(number, true)), element("span", "quiet", words))];
  if (read) parts.push(element("div", "two", ...MEMBERS.map((m, i) => topFive(m, read, i, number))), facts(read));
  else parts.push(element("p", "", "Both models have not read this text to here: the page holds its ids only."));
  const part = character(text, t);
  if (part) parts.push(element("p", "", part));
  for (const line of text.notes(t)) parts.push(element("p", "", ...line));
  if (text.ifs?.(t).length) parts.push(element("p", "", "Click, or Enter: what if the other token stood here?"));
  return parts;
}

function topFive(member, read, i, number) {
  const rows = read.top[i].map((entry) => candidate(entry.number, entry.logprob, entry.number === number));
  if (!read.top[i].some((entry) => entry.number === number) && read.logprob[i] !== null)
    rows.push(candidate(number, read.logprob[i], true, `rank ${read.rank[i]}, `));
  return element("div", `who-${member}`, element("h3", "", NAMES[member]), element("ol", "", ...rows));
}

function candidate(number, logprob, here, beyond = "") {
  const row = element("li", here ? "here" : "", element("span", "tokens", ...tokenText(number, true)), `${beyond}${percent(logprob)}`);
  if (beyond) row.classList.add("beyond");
  row.style.setProperty("--p", Math.exp(logprob).toFixed(4));
  return row;
}

function facts(read) {
  const rows = [
    ["entropy base", `${small(read.entropy[0])} nats`], ["entropy RL", `${small(read.entropy[1])} nats`],
    ["Δ log p", `${signed(read.delta)} nats`], ["KL(RL ‖ base)", `${small(read.kl)} nats`],
    ["rank base / RL", `${read.rank[0]} / ${read.rank[1]}`], ["base rank of RL's", `${read.rankOfRl}`],
  ];
  return element("dl", "facts", ...rows.flatMap(([name, value]) => [element("dt", "", name), element("dd", "", value)]));
}

// The characters that a token of bare bytes is a part of, where its neighbours complete them.
function character(text, t) {
  if (bytesOf(text.ids[t]) === null) return null;
  let first = t, last = t;
  while (first > 0 && bytesOf(text.ids[first - 1])) first--;
  while (last + 1 < text.ids.length && bytesOf(text.ids[last + 1])) last++;
  const bytes = text.ids.slice(first, last + 1).flatMap(bytesOf);
  return `Bytes of a character; with its neighbours: ${new TextDecoder("utf-8").decode(Uint8Array.from(bytes))}`;
}

function showCard(token) {
  card.replaceChildren(...cardContent(token));
  card.hidden = false;
  token.setAttribute("aria-describedby", "card");
  const at = token.getClientRects()[0] ?? token.getBoundingClientRect();
  const { width, height } = card.getBoundingClientRect();
  const below = at.bottom + 6 + height <= innerHeight || at.top - 6 - height < 0;
  card.style.left = `${Math.max(8, Math.min(at.left, document.documentElement.clientWidth - width - 8))}px`;
  card.style.top = `${below ? at.bottom + 6 : at.top - 6 - height}px`;
}

function hideCard() {
  card.hidden = true;
  document.querySelector('[aria-describedby="card"]')?.removeAttribute("aria-describedby");
}
