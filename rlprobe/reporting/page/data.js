// What the page holds: the head at once, the chunk of a problem when it is opened. Every text from a run goes into the
// document as text, never as markup.

const head = JSON.parse(document.getElementById("head").textContent);
const MEMBERS = ["base", "rl"];
const TOP = 5;
const NAMES = { base: "base", rl: "RL" };

const handedOver = {}; // chunks that a file beside the page has brought
window.rlprobeChunks = (chunks) => Object.assign(handedOver, chunks);

async function inflate(base64) {
  if (!window.DecompressionStream) throw new Error("this browser cannot decompress; one from 2023 or later can");
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await new Response(stream).text());
}

const parsed = new Promise((done) => {
  if (document.readyState !== "loading") done();
  else document.addEventListener("DOMContentLoaded", () => done());
});

function loadScript(file) {
  return new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = file;
    script.onload = () => { script.remove(); done(); };
    script.onerror = () => failed(new Error(`${file} is not beside this page: keep the folder with it`));
    document.head.append(script);
  });
}

async function chunk(name) {
  if (name in head.files) {
    if (!(name in handedOver)) await loadScript(head.files[name]);
    return inflate(handedOver[name]);
  }
  if (!document.getElementById(`chunk-${name}`)) await parsed;
  return inflate(document.getElementById(`chunk-${name}`).textContent);
}

let lexicon; // {ids, segments}, by number
async function withLexicon(name) {
  const [words, payload] = await Promise.all([lexicon ?? chunk("lexicon"), chunk(name)]);
  lexicon = words;
  return payload;
}

const problemPayload = (index) => withLexicon(`p${index}`); // {responses, prompt, ifs}

// A code as nats; null where the number is missing. The inverse of scales.py.
function nats(scale, code) {
  if (code === head.scales.missing) return null;
  const { top, steps, signed } = head.scales[scale];
  const away = code - (signed ? 128 : 0);
  return Math.sign(away) * (away / steps) ** 2 * top;
}

// What both models say at position t of a text that has a token table.
function reading(table, t) {
  const top = [[], []];
  for (let i = 0; i < TOP; i++) {
    const [base, rl] = table.top.map((numbers) => numbers[TOP * t + i]);
    top[0].push({ number: base, logprob: -nats("surprise", table.top_surprise[0][TOP * t + i]) });
    const same = rl < TOP ? table.top[0][TOP * t + rl] : rl - TOP;
    top[1].push({ number: same, logprob: -nats("surprise", table.top_surprise[1][TOP * t + i]) });
  }
  return {
    top,
    cls: Number(table.classes[t]),
    entropy: table.entropy.map((codes) => nats("entropy", codes[t])),
    delta: nats("delta", table.delta[t]),
    kl: nats("divergence", table.kl[t]),
    logprob: table.surprise.map((codes) => (codes[t] === head.scales.missing ? null : -nats("surprise", codes[t]))),
    rank: table.rank.map((ranks) => ranks[t]),
    rankOfRl: table.rank_of_rl[t],
  };
}

function firstDifference(a, b) {
  const n = Math.min(a.length, b.length);
  for (let t = 0; t < n; t++) if (a[t] !== b[t]) return t;
  return n;
}

function gatedSet(runs) {
  const set = new Set();
  for (let i = 0; i < runs.length; i += 2) for (let t = runs[i]; t < runs[i] + runs[i + 1]; t++) set.add(t);
  return set;
}
