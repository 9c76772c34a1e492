// What if the other model's token stood here: how the text goes on from it, as a command decoded it, in place.

const ENDED = { eos: "", length: ", cut at the limit" };

function toggleIf(token) {
  const open = token.nextWhatIf;
  if (open) {
    open.remove();
    token.nextWhatIf = null;
    return token.setAttribute("aria-expanded", "false");
  }
  const t = Number(token.dataset.t);
  const [text] = token.view.ifs(t);
  if (!text) return undefined;
  token.nextWhatIf = whatIf(text, t);
  token.after(token.nextWhatIf);
  hideCard(); // it would lie on it
  return token.setAttribute("aria-expanded", "true");
}

function whatIf(text, t) {
  const other = text.arm.name === "base" ? 1 : 0;
  const read = text.read(t);
  const heading = element("p", "label", `What if ${NAMES[MEMBERS[other]]}'s `, quotedToken(read.top[other][0].number), " stood here?");
  const found = text.others.get(t);
  const parts = found ? continuation(found, text) : missing(text);
  const made = element("div", "whatif", heading, ...parts);
  made.setAttribute("role", "note");
  return made;
}

function quotedToken(number) {
  return element("span", "tokens", ...tokenText(number, true));
}

function continuation(found, text) {
  const whole = completed(found.ids);
  const nodes = found.ids.flatMap((number, i) => [element("span", i === 0 ? "put" : "", ...tokenText(number)), ...(whole.has(i) ? [element("bdi", "whole", whole.get(i))] : [])]);
  const right = ["right", "RL's own answer"].includes(found.outcome);
  const said = `${NAMES[text.arm.name]} goes on alone for ${found.ids.length - 1} tokens${ENDED[found.stop] ?? ""}: `;
  return [element("p", "outcome", said, element("b", right ? "good" : "bad", found.outcome)), element("div", "tokens", ...nodes)];
}

// The command that decodes it.
function missing(text) {
  const command = head.commands[text.arm.name];
  if (!command) return [element("p", "", "Not decoded: the texts of this run were made elsewhere.")];
  const problem = head.problems[opened.index].id;
  const line = text.arm.name === "base" ? `${command} ${shellWord(problem)}` : command;
  return [element("p", "", "Not decoded yet. In the folder that holds the run, with whatever other options made it:"), element("code", "command", line),
    copyButton("copy the command", () => line), element("p", "", "then write the page again.")];
}

const shellWord = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`);
