// Tables for elsewhere: copied as they are shown, saved as the CSV of the run, in full precision.

function button(words, does, label) {
  const made = element("button", "small", words);
  made.type = "button";
  if (label) made.setAttribute("aria-label", label);
  made.addEventListener("click", does);
  return made;
}

function copyButton(words, content, label) {
  const made = button(words, async () => {
    await copied(await content());
    made.textContent = "copied";
    setTimeout(() => { made.textContent = words; }, 1500);
  }, label);
  return made;
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // an old browser, or one that asks and was refused
    const held = Object.assign(document.createElement("textarea"), { value: text });
    document.body.append(held);
    held.select();
    document.execCommand("copy");
    held.remove();
  }
}

function saved(name, text) {
  const link = element("a", "");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// A table as it is shown, its cells parted by tabs: what a spreadsheet takes.
function asShown(table) {
  const cell = (each) => each.textContent.replace(/\s+/g, " ").trim();
  return [...table.rows].map((row) => [...row.cells].map(cell).join("\t")).join("\n");
}

const quoted = (entry) => (/[",\n\r]/.test(entry) ? `"${entry.replaceAll('"', '""')}"` : entry);
const asCsv = (rows) => rows.map((row) => row.map((entry) => quoted(String(entry ?? ""))).join(",")).join("\n") + "\n";

function startSaving() {
  for (const tools of document.querySelectorAll("[data-table]")) {
    const { table, heading, csv } = tools.dataset;
    const shownTable = document.getElementById(tools.dataset.of);
    tools.prepend(copyButton("copy", () => asShown(shownTable), `copy ${heading}`));
    if (csv !== undefined) tools.append(button("CSV", async () => saved(`${table}.csv`, (await chunk("csv"))[table]), `save ${heading} as CSV`));
  }
}
