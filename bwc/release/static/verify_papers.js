// Reading what a release package is made of: canonical JSON, log entries, proofs, keys and signatures, RFC 6962 trees.
// No library, only WebCrypto. Strict: whatever is not exactly as docs/formats/release.md says is `Bad`.

export const PAPERS = ["release.json", "entry.json", "release.tlog-proof"];
export const LEAF_BYTES = 4 * 1024 * 1024;
export const TITLES = [
  "The papers can be read",
  "The log's key signed the checkpoint",
  "The entry is in the log",
  "The entry publishes this release",
  "It was published and approved by enrolled people",
  "Every file is what release.json says",
  "Nothing else is in the folder",
  "The log is the agency's",
];
export const MAX_PAPER = 64 * 1024 * 1024;
const MAX_PROOF = 63;
const NAME = /^(?:proofs\/)?[A-Za-z0-9][A-Za-z0-9_-]{0,79}(?:\.[A-Za-z0-9_-]{1,20}){0,3}$/;
const HEX64 = /^[0-9a-f]{64}$/;
const ORIGIN = /^[!#-*,-\[\]-~]{1,200}$/;
export const DROPPINGS = new Set([".DS_Store", "Thumbs.db", "desktop.ini"]);

/** Something is wrong with the package. `thing` is the file it is about. */
export class Bad extends Error {
  constructor(thing, problem, times = []) {
    super(problem);
    Object.assign(this, { thing, times });
  }
}

/** This browser cannot do a check; nothing is said about the package. */
export class Cannot extends Error {}

// --- bytes ---------------------------------------------------------------------------------------------

export const utf8 = new TextEncoder();

function toText(bytes, thing) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Bad(thing, "is not UTF-8 text");
  }
}

export function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function fromHex(text) {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function fromBase64(text, thing) {
  let raw;
  try {
    raw = atob(text);
  } catch {
    throw new Bad(thing, "holds text that is not base64");
  }
  if (btoa(raw) !== text) throw new Bad(thing, "holds base64 in another than its one spelling");
  return Uint8Array.from(raw, (char) => char.charCodeAt(0));
}

function toBase64(bytes) {
  return btoa(String.fromCharCode(...bytes));
}

export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function same(one, other) {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

export async function sha256(bytes) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

// --- canonical JSON (RFC 8785, no fractions) ------------------------------------------------------------

export function canonical(value) {
  if (value === null || typeof value === "boolean") return JSON.stringify(value);
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) throw new Error("a number is not an exact integer");
    return JSON.stringify(value);
  }
  if (typeof value === "string") {
    if (/\p{Surrogate}/u.test(value)) throw new Error("a text holds half a character");
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  const members = Object.keys(value).sort().map((key) => `${canonical(key)}:${canonical(value[key])}`);
  return `{${members.join(",")}}`;
}

export function parsePaper(bytes, thing) {
  const text = toText(bytes, thing);
  let value;
  try {
    value = JSON.parse(text);
    if (canonical(value) === text) return value;
  } catch {
    // said below
  }
  throw new Bad(thing, "is not canonical JSON");
}

// --- RFC 6962 trees ---------------------------------------------------------------------------------------

async function leafHash(bytes) {
  return sha256(concat(Uint8Array.of(0), bytes));
}

async function nodeHash(left, right) {
  return sha256(concat(Uint8Array.of(1), left, right));
}

export async function rootOf(leaves) {
  if (!leaves.length) return sha256(new Uint8Array());
  let level = leaves;
  while (level.length > 1) {
    const above = [];
    for (let at = 0; at + 1 < level.length; at += 2) above.push(await nodeHash(level[at], level[at + 1]));
    if (level.length % 2) above.push(level[level.length - 1]); // no sibling: it moves up unchanged
    level = above;
  }
  return level[0];
}

/** RFC 9162 2.1.3.2; index and size are BigInt. */
export async function includes(leaf, index, size, root, path) {
  if (index >= size) return false;
  let [node, last, hash] = [index, size - 1n, leaf];
  for (const other of path) {
    if (last === 0n) return false;
    if (node & 1n || node === last) {
      hash = await nodeHash(other, hash);
      while (!(node & 1n) && node !== 0n) [node, last] = [node >> 1n, last >> 1n];
    } else {
      hash = await nodeHash(hash, other);
    }
    [node, last] = [node >> 1n, last >> 1n];
  }
  return last === 0n && same(hash, root);
}

// --- keys and signatures ------------------------------------------------------------------------------------

const ALGORITHMS = {
  ed25519: [{ name: "Ed25519" }, { name: "Ed25519" }, "Ed25519"],
  p256: [{ name: "ECDSA", namedCurve: "P-256" }, { name: "ECDSA", hash: "SHA-256" }, "ECDSA P-256"],
};

export async function isSigned(alg, publicBytes, signature, message) {
  const [how, verifyHow, name] = ALGORITHMS[alg] ?? [];
  if (!how) return false;
  let key;
  try {
    key = await crypto.subtle.importKey("raw", publicBytes, how, false, ["verify"]);
  } catch (error) {
    if (error.name === "NotSupportedError" || error instanceof TypeError) {
      throw new Cannot(`This browser cannot check ${name} signatures. Use a current Chrome, Edge, Firefox or Safari.`);
    }
    return false;
  }
  return crypto.subtle.verify(verifyHow, key, signature, message);
}

/** The C2SP vkey in `text`: name+id+base64(type, key). */
export async function parseVkey(text, thing) {
  const [name, id, ...rest] = text.trim().split("+");
  const blob = fromBase64(rest.join("+"), thing);
  if (!ORIGIN.test(name) || blob[0] !== 1 || blob.length !== 33) throw new Bad(thing, "is not the key of a log");
  const key = await logKey(name, blob.slice(1));
  if (toHex(key.hint) !== id) throw new Bad(thing, "holds a key that does not match its id");
  return key;
}

async function logKey(name, raw) {
  const blob = concat(Uint8Array.of(1), raw);
  const hint = (await sha256(concat(utf8.encode(`${name}\n`), blob))).slice(0, 4);
  const text = `${name}+${toHex(hint)}+${toBase64(blob)}`;
  const print = toHex(await sha256(utf8.encode(text)));
  return { name, hint, public: raw, text, fingerprint: print.match(/.{4}/g).join(" ") };
}

const HANDOVER = [8, 8, 32, 32, 64, 64]; // entry, compromised from, old key, new key, their signatures

/** The keys of the log that a checkpoint carries, from its first to the one that signs (audit-log.md#rekey). */
export async function keysOf(checkpoint, key, thing) {
  const hint = (await sha256(concat(utf8.encode(`${key.name}\n`), Uint8Array.of(255), utf8.encode("bwc.rekey/1")))).slice(0, 4);
  const lines = checkpoint.signatures.filter((one) => one.name === key.name && same(one.hint, hint));
  if (!lines.length) return [key];
  const data = lines[0].signature;
  const width = HANDOVER.reduce((sum, one) => sum + one, 0);
  need(lines.length === 1 && data.length % width === 0, thing, "holds a checkpoint whose handovers cannot be read");
  const keys = [];
  let last = 0n;
  for (let at = 0; at < data.length; ) {
    const parts = HANDOVER.map((size) => data.slice(at, (at += size)));
    const [seq, since] = parts.slice(0, 2).map((part) => BigInt(`0x${toHex(part)}`));
    const [old, next] = [await logKey(key.name, parts[2]), await logKey(key.name, parts[3])];
    const text = `bwc.rekey/1\nlog ${key.name}\nentry ${seq}\nold ${old.text}\nnew ${next.text}\ncompromised ${since}\n`;
    for (const [whose, one, signature] of [["old", old, parts[4]], ["new", next, parts[5]]]) {
      const fine = await isSigned("ed25519", one.public, signature, utf8.encode(text));
      need(fine, thing, `holds a handover of the log's key, in entry ${seq}, that the ${whose} key did not sign`);
    }
    const follows = seq > last && seq < checkpoint.size && (!keys.length || keys[keys.length - 1].text === old.text);
    need(follows && !keys.some((one) => one.text === next.text), thing, "holds handovers of the log's key that do not follow each other");
    if (!keys.length) keys.push(old);
    keys.push(next);
    last = seq;
  }
  need(keys[keys.length - 1].text === key.text, thing, "is signed by a key that the log had given up");
  return keys;
}

// --- papers -----------------------------------------------------------------------------------------------------

export function need(condition, thing, problem) {
  if (!condition) throw new Bad(thing, problem);
}

const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
export const isText = (value) => typeof value === "string";
const isDigest = (value) => isText(value) && HEX64.test(value);

export function parseRelease(bytes) {
  const thing = "release.json";
  const paper = parsePaper(bytes, thing);
  need(paper?.format === "bwc.release/1", thing, "is not of the format bwc.release/1");
  for (const key of ["agency", "log", "vkey", "release", "request", "item", "made_at", "tool"]) {
    need(isText(paper[key]), thing, `lacks ${key}`);
  }
  for (const key of ["files", "copies", "keys", "entries", "exemptions"]) {
    need(Array.isArray(paper[key]), thing, `lacks ${key}`);
  }
  need(/^rel-[0-9a-f]{12}$/.test(paper.release), thing, "has no release id");
  for (const file of paper.files) {
    const fine = isText(file?.name) && NAME.test(file.name) && isDigest(file.sha256) && isCount(file.bytes) &&
      isDigest(file.leaves_root) && file.leaf_bytes === LEAF_BYTES && Array.isArray(file.leaves) &&
      file.leaves.every(isDigest) && file.leaves.length === Math.ceil(file.bytes / LEAF_BYTES);
    need(fine, thing, "lists a file in a way the format does not know");
  }
  const names = new Set([...PAPERS, ...paper.files.map((file) => file.name.toLowerCase())]);
  need(names.size === PAPERS.length + paper.files.length, thing, "lists a file twice, or a paper as a file");
  const listed = new Map(paper.files.map((file) => [file.name, file]));
  for (const copy of paper.copies) {
    need(isDigest(copy?.copy_sha256) && isCount(copy.frames_lost) && Array.isArray(copy.leaf_times), thing, "has a broken copy");
    need(listed.has(copy.file), thing, `speaks of ${copy.file} without listing it`);
    const { groups } = copy;
    const shown = groups === undefined || (["entry", "paper", "proof"].every((name) => listed.has(groups?.[name])) && isCount(groups.frames));
    need(shown, thing, `speaks of pictures in ${copy.file} without listing what shows them`);
  }
  for (const one of paper.entries) {
    need(isCount(one?.seq) && listed.has(one.entry) && listed.has(one.proof), thing, "speaks of an entry without listing it");
  }
  return { ...paper, listed };
}

export function parseEntry(bytes, thing) {
  const value = parsePaper(bytes, thing);
  const { event, signatures } = value ?? {};
  const fine = event?.format === "bwc.event/1" && isCount(event.seq) && isText(event.kind) && isText(event.log) &&
    isText(event.actor) && typeof event.facts === "object" && Array.isArray(signatures) && signatures.length > 0 &&
    signatures[0]?.key === event.actor && Object.keys(value).length === 2;
  need(fine, thing, "is not an entry of a custody log");
  return { event, signatures, raw: bytes, message: utf8.encode(`bwc.event/1\n${canonical(event)}`) };
}

export function parseProof(bytes, thing) {
  const text = toText(bytes, thing);
  const gap = text.indexOf("\n\n");
  const lines = text.slice(0, Math.max(gap, 0)).split("\n");
  need(gap > 0 && lines[0] === "c2sp.org/tlog-proof@v1", thing, "is not a log proof");
  const index = /^index (0|[1-9][0-9]{0,18})$/.exec(lines[1] ?? "");
  need(index && lines.length <= 2 + MAX_PROOF, thing, "is not a log proof without extras");
  const path = lines.slice(2).map((line) => fromBase64(line, thing));
  need(path.every((hash) => hash.length === 32), thing, "holds a hash that is not one");
  return { index: BigInt(index[1]), path, checkpoint: parseCheckpoint(text.slice(gap + 2), thing) };
}

function parseCheckpoint(note, thing) {
  const gap = note.lastIndexOf("\n\n");
  const [body, signed] = [note.slice(0, gap + 1), note.slice(gap + 2)];
  // eslint-disable-next-line no-control-regex
  need(gap > 0 && signed.endsWith("\n") && !/[\x00-\x09\x0b-\x1f]/.test(note), thing, "holds no signed checkpoint");
  const signatures = signed.slice(0, -1).split("\n").map((line) => {
    const match = /^— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/.exec(line);
    need(match, thing, "holds a signature line that is none");
    const blob = fromBase64(match[2], thing);
    return { name: match[1], hint: blob.slice(0, 4), signature: blob.slice(4) };
  });
  const [origin, size, root, end, ...more] = body.split("\n");
  need(end === "" && !more.length && ORIGIN.test(origin) && /^(0|[1-9][0-9]{0,18})$/.test(size), thing, "holds no checkpoint");
  return { origin, size: BigInt(size), root: fromBase64(root, thing), body, signatures };
}

export async function checkCheckpoint(checkpoint, key, thing) {
  need(checkpoint.origin === key.name, thing, `holds a checkpoint of ${checkpoint.origin}`);
  const mine = checkpoint.signatures.filter((one) => one.name === key.name && same(one.hint, key.hint));
  need(mine.length > 0, thing, "holds a checkpoint that the log's key did not sign");
  for (const one of mine) {
    need(await isSigned("ed25519", key.public, one.signature, utf8.encode(checkpoint.body)), thing, "holds a checkpoint whose signature is false");
  }
}

export async function checkIncluded(entry, proof, key, thing, seen) {
  const { checkpoint, index, path } = proof;
  const leaf = await leafHash(entry.raw);
  need(await includes(leaf, index, checkpoint.size, checkpoint.root, path), thing, "do not belong together: the entry is not in the log");
  need(BigInt(entry.event.seq) === index && entry.event.log === key.name, thing, "name different entries");
  const root = toHex(checkpoint.root);
  need((seen.get(checkpoint.size) ?? root) === root, thing, "show a second history of the same log");
  seen.set(checkpoint.size, root);
}
