// The screen of the page: choosing files, the verdict in words. What is shown is set as text, never as markup.

const HEADS = {
  ours: "Genuine and unchanged",
  "not-tied": "Consistent with itself, NOT tied to any agency",
  bad: "NOT genuine, damaged or incomplete",
  cannot: "Could not be checked",
};
const WORDS = { ok: "OK", bad: "WRONG", skipped: "not checked" };
const byId = (id) => document.getElementById(id);
let chosen = [];
let wholeFolder = false;
let run = 0;

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function choose(files, whole) {
  run += 1; // a check of earlier files must not be shown as one of these
  [chosen, wholeFolder] = [files, whole];
  const size = files.reduce((sum, { blob }) => sum + blob.size, 0);
  byId("chosen").textContent = files.length
    ? `${files.length} file${files.length > 1 ? "s" : ""}, ${(size / 1e6).toFixed(1)} MB chosen.`
    : "Nothing chosen yet.";
  byId("check").disabled = !files.length;
  byId("verdict").className = "";
  byId("verdict").replaceChildren(element("p", "Not checked yet."));
  byId("claims").hidden = byId("steps").hidden = true;
}

/** Paths relative to the folder that holds release.json; everything outside it keeps its own path. */
function rooted(files) {
  const top = files.map(({ path }) => path).filter((path) => /(^|\/)release\.json$/.test(path));
  const prefix = top.sort((a, b) => a.length - b.length)[0]?.slice(0, -"release.json".length) ?? "";
  return files.map(({ path, blob }) => ({ path: path.startsWith(prefix) ? path.slice(prefix.length) : path, blob }));
}

function explain(report, seconds) {
  const lines = [];
  if (report.verdict === "ours") {
    lines.push(`Every file checked is exactly what ${report.release.agency} published, by the key you pasted.`);
  } else if (report.verdict === "not-tied") {
    lines.push("The files belong together and none was changed since they were put together. But anybody can make such a set. "
      + "Only the agency's own key, pasted above, shows who made it.", ...report.steps[7].said.map((line) => `This release is ${line}.`));
  } else if (report.verdict === "cannot") {
    lines.push(report.why, "This says nothing about the release.");
  } else {
    for (const { thing, message } of report.findings) lines.push(`${thing}: ${message}.`);
    lines.push("Do not rely on these files. Ask the agency for them again.");
  }
  if (report.verdict !== "cannot") lines.push(`Checked in ${seconds.toFixed(1)} s.`);
  return lines;
}

function show(report, seconds) {
  const box = byId("verdict");
  box.className = report.verdict;
  box.replaceChildren(element("p", HEADS[report.verdict], "head"), ...explain(report, seconds).map((line) => element("p", line)));
  const release = report.release;
  byId("claims").hidden = !release;
  if (release) {
    const facts = [
      ["Agency", release.agency],
      ["Release", `${release.release}, request ${release.request}`],
      ["Recording", release.item],
      ["Made", release.made_at.slice(0, 10)],
      ...release.copies.map((copy) => ["Video", `${copy.file}, ${copy.frames} pictures, ${copy.frames_lost} lost in the camera's file`]),
      ["Hidden", release.exemptions.map((one) => `${one.code} (${one.pictures + one.sounds + one.whole_frames})`).join(", ") || "nothing"],
      ["Log", release.log],
    ];
    byId("facts").replaceChildren(...facts.flatMap(([name, text]) => [element("dt", name), element("dd", text)]));
    if (report.fingerprint) {
      byId("facts").append(element("dt", "Fingerprint of its key"), element("dd", report.fingerprint, "print"),
        element("dt", ""), element("dd", "Compare it with the one the agency gives by telephone or on its web site."));
    }
  }
  byId("steps").hidden = false;
  byId("steps").replaceChildren(...report.steps.map((step) => {
    const row = element("li", "", step.result);
    row.append(element("span", `${WORDS[step.result]}: `, "mark"), `${step.title}.`);
    const lines = [...step.said, ...report.findings.filter((one) => one.step === step.number).map((one) => `${one.thing}: ${one.message}`)];
    if (lines.length) {
      const list = document.createElement("ul");
      list.append(...lines.map((line) => element("li", line)));
      row.append(list);
    }
    return row;
  }));
}

async function check() {
  const mine = (run += 1);
  const progress = byId("progress");
  byId("check").disabled = true;
  progress.hidden = false;
  progress.value = 0;
  byId("verdict").className = "";
  byId("verdict").replaceChildren(element("p", "Checking …"));
  const started = performance.now();
  const onProgress = (done, total) => { progress.value = total ? done / total : 1; };
  const report = await verifyRelease(rooted(chosen), byId("key").value, { whole: wholeFolder, onProgress });
  progress.hidden = true;
  byId("check").disabled = !chosen.length;
  if (mine === run) show(report, (performance.now() - started) / 1000);
  return report;
}

async function entriesOf(entry, path = "") {
  if (entry.isFile) {
    const blob = await new Promise((done, fail) => entry.file(done, fail));
    return [{ path: path + entry.name, blob }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) { // a browser hands out a folder in portions until an empty one
    const portion = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!portion.length) return found;
    for (const inner of portion) found.push(...(await entriesOf(inner, `${path}${entry.name}/`)));
  }
}

const listed = (input) => Array.from(input.files, (file) => ({ path: file.webkitRelativePath || file.name, blob: file }));
byId("folder").addEventListener("change", (event) => choose(listed(event.target), true));
byId("files").addEventListener("change", (event) => choose(listed(event.target), false));
for (const id of ["folder", "files"]) { // else choosing the same ones again after a change would go unnoticed
  byId(id).addEventListener("click", (event) => { event.target.value = ""; });
}
byId("check").addEventListener("click", check);
const drop = byId("drop");
for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
drop.addEventListener("drop", async (event) => {
  event.preventDefault();
  const entries = Array.from(event.dataTransfer.items, (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const found = [];
  for (const entry of entries) found.push(...(await entriesOf(entry)));
  choose(found, entries.some((entry) => entry.isDirectory));
});

/** For tests and other programs: check `files` [{path, blob}] as if chosen, show it, and return the report. */
window.bwcVerify = (files, key = "", whole = true) => {
  choose(files, whole);
  byId("key").value = key;
  return check();
};
