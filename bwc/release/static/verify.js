// Checking a release package in the browser: the same steps as bwc/verifier/package.py (docs/formats/release.md).
// No network, no library; only WebCrypto. Files arrive as [{path, blob}], path relative to the package's folder.

import {
  PAPERS, LEAF_BYTES, TITLES, MAX_PAPER, DROPPINGS, Bad, Cannot, utf8, toHex, fromHex, fromBase64, concat,
  same, sha256, canonical, rootOf, includes, isSigned, parseVkey, need, isText, parseRelease,
  parseEntry, parseProof, checkCheckpoint, checkIncluded, keysOf,
} from "./verify_papers.js";
import { checkCopied, checkRoot, parseCopied } from "./verify_copied.js";

// --- people ---------------------------------------------------------------------------------------------------------

async function readKeys(release) {
  const keys = new Map();
  for (const one of release.keys) {
    const raw = fromBase64(isText(one?.public) ? one.public : "!", "release.json");
    const id = toHex(await sha256(concat(utf8.encode(`${one.alg}\n`), raw))).slice(0, 32);
    need(id === one.key, "release.json", "lists a key that does not match its bytes");
    keys.set(id, { alg: one.alg, raw });
  }
  return keys;
}

async function checkSignatures(entry, keys, thing) {
  for (const one of entry.signatures) {
    const key = keys.get(one.key);
    need(key, thing, `is signed by ${one.key}, a key release.json does not list`);
    const fine = one.alg === key.alg && (await isSigned(key.alg, key.raw, fromBase64(one.sig, thing), entry.message));
    need(fine, thing, `is not signed by ${one.key}`);
  }
}

const KINDS = { enrolment: ["vault.created", "key.enrolled", "key.rotated"], approval: ["copy.approved"] };
const ROLE_FOR = { "key.enrolled": "administrator", "copy.approved": "records", "release.published": "records" };

function needRole(entry, roles, thing) {
  const held = roles.get(entry.event.actor);
  need(held, thing, `was signed by ${entry.event.actor}, whom no entry enrols`);
  const may = entry.event.kind === "key.rotated" || held.includes(ROLE_FOR[entry.event.kind]);
  need(may, thing, `was signed by somebody not enrolled for ${entry.event.kind}`);
}

function approves(entry, copy) {
  return ["segment", "plan_sha256", "copy_sha256", "report_sha256"].every((key) => entry.event.facts[key] === copy[key]);
}

/** `enrolled` is told who was enrolled when, for entries that are judged later. */
async function checkPeople(release, published, key, files, seen, enrolled, say) {
  const keys = await readKeys(release);
  const proven = [];
  for (const one of release.entries) {
    const thing = `${one.entry} with ${one.proof}`;
    const entry = parseEntry(await small(files, one.entry), one.entry);
    const proof = parseProof(await small(files, one.proof), one.proof);
    await checkCheckpoint(proof.checkpoint, key, one.proof);
    await checkIncluded(entry, proof, key, thing, seen);
    need(entry.event.seq === one.seq && KINDS[one.why]?.includes(entry.event.kind), thing, `is no ${one.why}`);
    proven.push([one.entry, entry]);
  }
  proven.sort(([, a], [, b]) => a.event.seq - b.event.seq);
  const roles = new Map();
  const approvals = [];
  for (const [thing, entry] of proven) {
    const { event } = entry;
    await checkSignatures(entry, keys, thing);
    need(event.outcome === "ok", thing, "is an act that did not happen");
    if (event.kind === "vault.created") {
      const founded = event.seq === 0 && event.facts.log === release.log && event.facts.agency === release.agency;
      need(founded && event.facts.operator?.key === event.actor, thing, "does not found this agency's log");
    } else {
      needRole(entry, roles, thing);
    }
    if (event.kind === "copy.approved") {
      const known = event.item === release.item && release.copies.some((copy) => approves(entry, copy));
      need(known, thing, "approves another copy than the ones released");
      approvals.push(entry);
      say(`approved by ${event.actor} on ${event.at.slice(0, 10)} (entry ${event.seq})`);
    } else {
      const operator = event.facts.operator;
      need(keys.has(operator?.key) && Array.isArray(operator.roles), thing, "enrols nobody who signed here");
      if (event.kind === "key.rotated") {
        const held = roles.get(event.actor);
        const signers = entry.signatures.map((one) => one.key);
        const own = signers.length === 2 && signers[0] === event.actor && signers[1] === operator.key;
        const kept = [...new Set(operator.roles)].sort().join() === [...new Set(held)].sort().join();
        need(own && kept, thing, "is not one person's step from a key to the next");
        roles.delete(event.actor);
      }
      roles.set(operator.key, operator.roles);
      enrolled.push({ seq: event.seq, key: operator.key, roles: operator.roles });
    }
  }
  await checkSignatures(published, keys, "entry.json");
  needRole(published, roles, "entry.json");
  const named = published.event.facts.approvals;
  const shown = new Set(approvals.map((entry) => entry.event.seq));
  const agree = Array.isArray(named) && new Set(named).size === shown.size && named.every((seq) => shown.has(seq));
  need(agree, "entry.json", "names other approvals than the ones proven");
  for (const copy of approvals.length ? release.copies : []) {
    need(approvals.some((entry) => approves(entry, copy)), "entry.json", `publishes ${copy.file}, which nobody approved`);
  }
  say(`published by ${published.event.actor} on ${published.event.at.slice(0, 10)} (entry ${published.event.seq})`);
}

// --- files -------------------------------------------------------------------------------------------------------------

async function small(files, name) {
  const blob = files.get(name);
  need(blob, name, "is missing");
  need(blob.size <= MAX_PAPER, name, "is too large");
  return new Uint8Array(await blob.arrayBuffer());
}

const AT_ONCE = 4; // leaves read and hashed together: 16 MiB of memory, and both cores busy

/** The RFC 6962 leaf hashes of `blob`, read in 4 MiB pieces. */
export async function measure(blob, onBytes = () => {}) {
  const leaves = [];
  for (let at = 0; at < blob.size; at += AT_ONCE * LEAF_BYTES) {
    const group = blob.slice(at, at + AT_ONCE * LEAF_BYTES);
    const starts = Array.from({ length: Math.ceil(group.size / LEAF_BYTES) }, (_, number) => number * LEAF_BYTES);
    leaves.push(...(await Promise.all(starts.map(async (start) => {
      const piece = group.slice(start, start + LEAF_BYTES);
      const prefixed = await new Blob([Uint8Array.of(0), piece]).arrayBuffer(); // RFC 6962: a leaf is prefixed with 0
      return sha256(prefixed);
    }))));
    onBytes(group.size);
  }
  return leaves;
}

function joined(times) {
  const found = [];
  for (const [first, last] of times.sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    const before = found[found.length - 1];
    if (before && first <= before[1]) before[1] = Math.max(before[1], last);
    else found.push([first, last]);
  }
  return found;
}

export function timeText(ms) {
  const [h, m, s] = [Math.floor(ms / 3600000), Math.floor(ms / 60000) % 60, Math.floor(ms / 1000) % 60];
  const two = (number) => String(number).padStart(2, "0");
  return `${h}:${two(m)}:${two(s)}.${String(ms % 1000).padStart(3, "0")}`;
}

async function checkFile(release, facts, blob, onBytes) {
  const leaves = facts.leaves.map(fromHex);
  need(toHex(await rootOf(leaves)) === facts.leaves_root, "release.json", `has leaves of ${facts.name} that do not lead to their root`);
  need(blob, facts.name, "is missing");
  const found = await measure(blob, onBytes);
  const damaged = leaves.map((leaf, at) => at).filter((at) => !found[at] || !same(found[at], leaves[at]));
  if (blob.size === facts.bytes && !damaged.length) return;
  const copy = release.copies.find((one) => one.file === facts.name);
  const times = joined(damaged.map((at) => copy?.leaf_times[at]).filter(Boolean).map((pair) => [...pair]));
  let problem = blob.size === facts.bytes ? "was changed" : `has ${blob.size} bytes instead of ${facts.bytes}`;
  if (times.length) problem += `; do not rely on it at ${times.map(([a, b]) => `${timeText(a)}–${timeText(b)}`).join(", ")}`;
  throw new Bad(facts.name, problem, times);
}

/** What desktops leave; of a Mac's "._" files only what is one by its first bytes (RFC 1740). */
async function isDropping(name, blob) {
  if (DROPPINGS.has(name)) return true;
  if (!name.startsWith("._") || blob.size > 1 << 20) return false;
  return toHex(new Uint8Array(await blob.slice(0, 8).arrayBuffer())) === "0005160700020000";
}

async function checkStrangers(release, files, say) {
  for (const [name, blob] of files) {
    if (await isDropping(name.split("/").pop(), blob)) say(`${name} was left by a desktop; it is not part of the release`);
    else need(PAPERS.includes(name) || release.listed.has(name), name, "is not part of this release");
  }
}

// --- the camera's own pictures -----------------------------------------------------------------------------------------------

const INDEXERS = ["technician", "records", "worker"];

async function checkIndexed(release, entry, enrolled, thing) {
  await checkSignatures(entry, await readKeys(release), thing);
  const held = enrolled.filter((one) => one.key === entry.event.actor && one.seq < entry.event.seq).pop();
  need(held?.roles.some((role) => INDEXERS.includes(role)), thing, "was signed by somebody not enrolled for item.indexed");
}

/** docs/formats/picture-groups.md, Checking. `enrolled` is null where enrolments were not checked. */
async function checkGroups(release, copy, files, key, seen, enrolled, say) {
  const { groups } = copy;
  const thing = `${groups.paper} with ${copy.file}`;
  const paper = parseCopied(await small(files, groups.paper), groups.paper);
  const entry = parseEntry(await small(files, groups.entry), groups.entry);
  const proof = parseProof(await small(files, groups.proof), groups.proof);
  await checkCheckpoint(proof.checkpoint, key, groups.proof);
  await checkIncluded(entry, proof, key, `${groups.entry} with ${groups.proof}`, seen);
  await checkRoot(entry, paper, release.item, copy.segment, thing);
  if (enrolled) await checkIndexed(release, entry, enrolled, groups.entry);
  if (!files.has(copy.file)) return; // said already
  const times = joined(await checkCopied(files.get(copy.file), paper, copy.file));
  if (times.length || paper.frames !== groups.frames) {
    const where = times.map(([a, b]) => `${timeText(a)}–${timeText(b)}`).join(", ") || "unknown times";
    throw new Bad(copy.file, `holds other pictures than the camera recorded, at ${where}`, times);
  }
  say(`${copy.file}: ${paper.frames} of ${copy.frames} frames are the camera's own, bit for bit (recorded in entry ${entry.event.seq})`);
}

// --- the whole check ------------------------------------------------------------------------------------------------------

function checkPublishes(release, event, digest) {
  const thing = "release.json with entry.json";
  const { facts } = event;
  need(event.kind === "release.published" && event.outcome === "ok", thing, "the entry publishes nothing");
  need(facts.release_sha256 === digest, thing, "release.json is not the one recorded in the log");
  const fits = event.log === release.log && event.item === release.item && facts.release === release.release;
  need(fits, thing, "the entry is about another release");
  const copies = release.copies.map((copy) => copy.copy_sha256);
  need(canonical(facts.copies ?? null) === canonical(copies), thing, "the entry publishes other copies");
  for (const copy of release.copies) {
    need(release.listed.get(copy.file).sha256 === copy.copy_sha256, thing, `${copy.file} is listed with another digest`);
  }
}

function whyNot(error) {
  if (error instanceof Cannot) return error.message;
  if (["NotReadableError", "NotFoundError"].includes(error.name)) {
    return "A file could not be read, or it changed since you chose it. Choose the release again.";
  }
  return String(error);
}

/** Check `files` [{path, blob}] of one package against `keyText`, the agency's vkey if the person has it.
 *
 * `whole`: all files of the folder were given, so a missing one is a finding. Resolves to
 * {verdict: "ours" | "not-tied" | "bad" | "cannot", steps, findings, release, fingerprint, why}; never rejects.
 */
export async function verifyRelease(files, keyText = "", { whole = true, onProgress = () => {} } = {}) {
  const report = { verdict: "bad", steps: [], findings: [], release: null, fingerprint: "", why: "" };
  const given = new Map(files.map(({ path, blob }) => [path, blob]));
  const step = async (number, act) => {
    const said = [];
    report.steps[number - 1] = { number, title: TITLES[number - 1], result: "bad", said };
    const value = await act((line) => said.push(line));
    const wrong = report.findings.some((finding) => finding.step === number);
    report.steps[number - 1].result = wrong ? "bad" : "ok";
    return value;
  };
  let current = 0;
  const note = (error) => {
    if (!(error instanceof Bad)) throw error;
    report.findings.push({ step: current, thing: error.thing, message: error.message, times_ms: error.times });
  };
  const must = (number, act) => step((current = number), act);
  const each = async (act) => {
    try {
      await act();
    } catch (error) {
      note(error);
    }
  };
  try {
    if (!globalThis.crypto?.subtle) throw new Cannot("This browser gives a page opened like this no cryptography. Use a current one.");
    const agencyKey = keyText.trim() ? await parseVkey(keyText, "the key you pasted").catch((error) => {
      throw error instanceof Bad ? new Cannot(`The key you pasted ${error.message.replace(/^holds/, "is")}.`) : error;
    }) : null;
    const [papers, release, published, proof] = await must(1, async () => {
      const read = [];
      for (const name of PAPERS) read.push(await small(given, name));
      return [read, parseRelease(read[0]), parseEntry(read[1], PAPERS[1]), parseProof(read[2], PAPERS[2])];
    });
    report.release = release;
    let keys = [];
    const key = await must(2, async (say) => {
      const stated = await parseVkey(release.vkey, "release.json");
      need(stated.name === release.log && stated.text === release.vkey, "release.json", "has a key that is not of its log");
      report.fingerprint = stated.fingerprint;
      await checkCheckpoint(proof.checkpoint, stated, "release.tlog-proof with release.json");
      keys = await keysOf(proof.checkpoint, stated, "release.tlog-proof with release.json");
      report.fingerprint = keys[0].fingerprint;
      if (keys.length > 1) say(`the log's key was handed over ${keys.length - 1} times`);
      return stated;
    });
    const seen = new Map();
    await must(3, async (say) => {
      await checkIncluded(published, proof, key, "entry.json with release.tlog-proof", seen);
      say(`entry ${published.event.seq} of ${proof.checkpoint.size} in ${key.name}`);
    });
    await must(4, async () => checkPublishes(release, published.event, toHex(await sha256(papers[0]))));
    const enrolled = [];
    const papersGiven = release.entries.some((one) => given.has(one.entry) || given.has(one.proof));
    await must(5, async (say) => {
      if (whole || papersGiven) return each(() => checkPeople(release, published, key, given, seen, enrolled, say));
      say("signature checked; enrolment not checked: the files of the folder proofs were not chosen");
      return each(async () => checkSignatures(published, await readKeys(release), "entry.json"));
    });
    if (!whole && !papersGiven && report.steps[4].result === "ok") report.steps[4].result = "skipped";
    await must(6, async (say) => {
      const chosen = release.files.filter((facts) => whole || given.has(facts.name));
      // before the files: a group is a second or two, a piece of a file 4 MiB
      const judged = (whole || papersGiven) && report.steps[4].result === "ok" ? enrolled : null;
      for (const copy of release.copies) {
        if (copy.groups && (whole || (given.has(copy.file) && given.has(copy.groups.paper)))) {
          await each(() => checkGroups(release, copy, given, key, seen, judged, say));
        } else if (copy.groups && given.has(copy.file)) {
          say(`${copy.file}: which frames are the camera's own was not checked; choose the whole folder`);
        }
      }
      const total = chosen.reduce((sum, facts) => sum + facts.bytes, 0);
      let done = 0;
      for (const facts of chosen) {
        const onBytes = (count) => onProgress((done += count), total);
        await each(() => checkFile(release, facts, given.get(facts.name), onBytes));
      }
      const copies = chosen.filter((facts) => release.copies.some((copy) => copy.file === facts.name));
      if (!copies.length) await each(() => { throw new Bad(release.copies[0]?.file ?? "the video", "was not chosen"); });
      say(`${chosen.length} of ${release.files.length} files checked`);
    });
    await must(7, async (say) => {
      for (const one of given) await each(() => checkStrangers(release, new Map([one]), say));
    });
    let tied = false;
    await must(8, async (say) => {
      if (!agencyKey) return;
      tied = keys.some((one) => one.text === agencyKey.text);
      if (tied) say(`tied to ${key.name} by the key you pasted`);
      else if (agencyKey.name === key.name) await each(() => { throw new Bad("release.json", "is signed with another key than the agency's: a forgery"); });
      else say(`by the log ${key.name}; the key you pasted is of ${agencyKey.name}`);
    });
    if (!tied && report.steps[7].result === "ok") report.steps[7].result = "skipped";
    report.verdict = report.findings.length ? "bad" : tied ? "ours" : "not-tied";
  } catch (error) {
    if (error instanceof Bad) note(error);
    else [report.verdict, report.why] = ["cannot", whyNot(error)];
  }
  TITLES.forEach((title, at) => {
    report.steps[at] ??= { number: at + 1, title, result: "skipped", said: [] };
  });
  if (report.verdict === "cannot") report.steps.forEach((one) => { if (one.result === "bad") one.result = "skipped"; });
  return report;
}
