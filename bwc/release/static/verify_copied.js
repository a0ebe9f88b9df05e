// Which pictures of a copy are the camera's own, bit for bit: the same checks as bwc/verifier/copied.py and mp4_pictures.py
// (docs/formats/picture-groups.md). Reads only the MP4 that docs/formats/media.md describes.

import { Bad, concat, fromHex, need, parsePaper, rootOf, same, sha256, toHex, utf8 } from "./verify_papers.js";

const MOST_INDEX = 512 * 1024 * 1024;
const HEX = /^[0-9a-f]{64}$/;

function numbers(...pairs) { // [value, bytes]: big-endian
  return concat(...pairs.map(([value, width]) => {
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, BigInt(value));
    return new Uint8Array(view.buffer, 8 - width);
  }));
}

// --- the paper ------------------------------------------------------------------------------------------------------------

export function parseCopied(bytes, thing) {
  const paper = parsePaper(bytes, thing);
  const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
  const isDigest = (value) => typeof value === "string" && HEX.test(value);
  const fine = paper?.format === "bwc.copied-groups/1" && isDigest(paper.sets_sha256) && isCount(paper.timescale) &&
    paper.timescale > 0 && Array.isArray(paper.leaves) && paper.leaves.every(isDigest) && Array.isArray(paper.copied) &&
    paper.copied.every((row) => Array.isArray(row) && row.length === 6 && row.slice(0, 5).every(isCount) && isDigest(row[5]));
  need(fine, thing, "is not as the format says");
  const copied = paper.copied.map(([group, first, frames, of, start, rest]) => ({ group, first, frames, of, start, rest: fromHex(rest) }));
  const rising = copied.every((one, at) => !at || one.group > copied[at - 1].group);
  const possible = copied.every((one) => one.frames > 0 && one.frames <= one.of && one.group < paper.leaves.length);
  need(rising && possible, thing, "names a group twice, one that was not recorded, or more pictures than it has");
  const frames = copied.reduce((sum, one) => sum + one.frames, 0);
  return { timescale: paper.timescale, sets: fromHex(paper.sets_sha256), leaves: paper.leaves.map(fromHex), copied, frames };
}

/** The log entry says that root of that recording. */
export async function checkRoot(entry, paper, item, segment, thing) {
  const { event } = entry;
  need(event.kind === "item.indexed" && event.outcome === "ok" && event.item === item, thing, "does not index this recording");
  const rows = Array.isArray(event.facts.segments) ? event.facts.segments : [];
  const said = rows.find((row) => row?.segment === segment)?.groups;
  const root = toHex(await rootOf(paper.leaves));
  need(said?.root === root && said.count === paper.leaves.length, thing, "speaks of other pictures than the ones recorded");
}

// --- the copy -------------------------------------------------------------------------------------------------------------

function boxes(body) {
  const found = [];
  for (let at = 0; at < body.length;) {
    const size = new DataView(body.buffer, body.byteOffset + at, body.length - at).getUint32(0);
    if (size < 8 || at + size > body.length) throw new RangeError("a box is cut short");
    found.push([String.fromCharCode(...body.subarray(at + 4, at + 8)), body.subarray(at + 8, at + size)]);
    at += size;
  }
  return found;
}

const view = (body) => new DataView(body.buffer, body.byteOffset, body.byteLength);
const inner = (body) => Object.fromEntries(boxes(body));

function rows(body, widths) {
  const [found, data] = [[], view(body)];
  const width = widths.reduce((sum, one) => sum + one, 0);
  for (let at = 8; at < body.length; at += width) {
    let place = at;
    found.push(widths.map((one) => {
      const value = one === 8 ? Number(data.getBigUint64(place)) : data.getUint32(place);
      place += one;
      return value;
    }));
  }
  return found;
}

async function moovOf(blob) {
  for (let at = 0; at + 8 <= blob.size;) {
    const head = new Uint8Array(await blob.slice(at, at + 8).arrayBuffer());
    const size = view(head).getUint32(0);
    if (size < 8 || size > MOST_INDEX) break;
    if (String.fromCharCode(...head.subarray(4)) === "moov") return new Uint8Array(await blob.slice(at + 8, at + size).arrayBuffer());
    at += size;
  }
  throw new RangeError("no index before the pictures");
}

function scaleOf(header) {
  return view(header).getUint32(header[0] === 1 ? 20 : 12);
}

function emptyEdit(track) {
  const list = inner(track.edts).elst;
  const wide = list[0] === 1;
  const edits = [];
  for (let at = 8; at < list.length; at += wide ? 20 : 12) {
    edits.push(wide
      ? [view(list).getBigUint64(at), view(list).getBigInt64(at + 8)]
      : [BigInt(view(list).getUint32(at)), BigInt(view(list).getInt32(at + 4))]);
  }
  const empty = edits[0][1] === -1n ? edits.shift()[0] : 0n;
  if (edits.length !== 1 || edits[0][1] !== 0n) throw new RangeError("its edit list hides pictures");
  return empty;
}

function offsetsOf(table, sizes) {
  const wide = "co64" in table;
  const chunks = rows(wide ? table.co64 : table.stco, [wide ? 8 : 4]).map(([at]) => at);
  const runs = rows(table.stsc, [4, 4, 4]);
  const offsets = [];
  let run = 0;
  chunks.forEach((start, number) => {
    if (run + 1 < runs.length && number + 1 >= runs[run + 1][0]) run += 1;
    for (let [at, left] = [start, runs[run][1]]; left; left -= 1) {
      offsets.push(at);
      at += sizes[offsets.length - 1];
    }
  });
  if (offsets.length !== sizes.length) throw new RangeError("its tables do not agree");
  return offsets;
}

function setsOf(stsd) {
  const [[kind, entry], ...more] = boxes(stsd.subarray(8));
  if (kind !== "avc1" || more.length) throw new RangeError("its pictures are not H.264");
  const record = inner(entry.subarray(78)).avcC;
  if ((record[4] & 3) !== 3) throw new RangeError("its pictures are stored in another form");
  let at = 5;
  return [31, 255].map((mask) => {
    const count = record[at] & mask;
    at += 1;
    return Array.from({ length: count }, () => {
      const size = view(record).getUint16(at);
      at += 2 + size;
      return record.subarray(at - size, at);
    });
  });
}

/** The id of a parameter set (Exp-Golomb, H.264 9.1). */
function setId(unit) {
  const payload = (unit[0] & 31) === 7 ? unit.subarray(4, 8) : unit.subarray(1, 5);
  const bits = Array.from(payload, (byte) => byte.toString(2).padStart(8, "0")).join("");
  const zeros = bits.indexOf("1");
  if (zeros < 0 || bits.length < 2 * zeros + 1) throw new RangeError("a parameter set cannot be read");
  return parseInt(bits.slice(zeros, 2 * zeros + 1), 2) - 1;
}

async function readPictures(blob, thing) {
  try {
    const moov = await moovOf(blob);
    const tracks = boxes(moov).filter(([kind]) => kind === "trak").map(([, body]) => inner(body));
    const shown = tracks.filter((one) => String.fromCharCode(...inner(one.mdia).hdlr.subarray(8, 12)) === "vide");
    if (shown.length !== 1) throw new RangeError("it has not exactly one picture track");
    const media = inner(shown[0].mdia);
    const table = inner(inner(media.minf).stbl);
    if ("ctts" in table) throw new RangeError("its pictures are not in the order of showing");
    const times = [];
    let now = 0;
    for (const [count, delta] of rows(table.stts, [4, 4])) {
      if (times.length + count > table.stsz.length) throw new RangeError("its tables do not agree");
      for (let left = count; left; left -= 1, now += delta) times.push(now);
    }
    const sizes = rows(table.stsz.subarray(4), [4]).map(([size]) => size);
    const agree = view(table.stsz).getUint32(4) === 0 && view(table.stsz).getUint32(8) === sizes.length && sizes.length === times.length;
    if (!agree) throw new RangeError("its tables do not agree");
    const [sps, pps] = setsOf(table.stsd);
    return {
      empty: emptyEdit(shown[0]), movieScale: BigInt(scaleOf(inner(moov).mvhd)), scale: scaleOf(media.mdhd),
      times, sizes, offsets: offsetsOf(table, sizes), sps, pps, ids: [sps, pps].map((units) => units.map(setId)),
    };
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) throw new Bad(thing, `has an index that cannot be read: ${error.message}`);
    throw error;
  }
}

async function checkSets(pictures, paper, thing) {
  const units = [...pictures.sps.slice(0, 1), ...(pictures.sps.length === 2 ? pictures.pps.slice(0, -1) : pictures.pps)];
  const digest = await sha256(concat(utf8.encode("bwc.group-sets/1\n"), ...units.flatMap((unit) => [numbers([unit.length, 2]), unit])));
  const apart = pictures.ids.every((ids) => new Set(ids).size === ids.length);
  need(same(digest, paper.sets) && apart, thing, "is decoded with other parameter sets than the recording's");
}

/** Whether the `frames` pictures from `first` on lead to the group's leaf. */
async function isRecorded(blob, pictures, one, paper) {
  const stop = one.first + one.frames;
  if (stop > pictures.times.length) return false;
  const digests = [];
  let [held, heldAt] = [new Uint8Array(), 0];
  for (let at = one.first; at < stop; at += 1) {
    const [offset, size] = [pictures.offsets[at], pictures.sizes[at]];
    if (offset < heldAt || offset + size > heldAt + held.length) { // one read for all pictures that lie together
      let end = offset + size;
      for (let next = at + 1; next < stop && pictures.offsets[next] === end; next += 1) end += pictures.sizes[next];
      [held, heldAt] = [new Uint8Array(await blob.slice(offset, end).arrayBuffer()), offset];
    }
    const after = BigInt(pictures.times[at] - pictures.times[one.first]) * BigInt(paper.timescale);
    if (after % BigInt(pictures.scale)) return false;
    const data = held.subarray(offset - heldAt, offset - heldAt + size);
    digests.push(await sha256(concat(utf8.encode("bwc.group-sample/1\n"), numbers([after / BigInt(pictures.scale), 8]), data)));
  }
  let { rest } = one;
  for (const digest of digests.reverse()) rest = await sha256(concat(utf8.encode("bwc.group-link/1\n"), digest, rest));
  const told = numbers([one.group, 4], [paper.timescale, 4], [one.start, 8], [one.of, 4]);
  const leaf = await sha256(concat(Uint8Array.of(0), utf8.encode("bwc.group/1\n"), told, paper.sets, rest));
  return same(leaf, paper.leaves[one.group]);
}

/** How much later the copy shows a group than the recording did, over one denominator for all of a copy. */
function shiftOf(pictures, one, paper) {
  const [scale, own] = [BigInt(pictures.scale), BigInt(paper.timescale)];
  const shown = pictures.empty * scale * own + BigInt(pictures.times[one.first]) * pictures.movieScale * own;
  return shown - BigInt(one.start) * pictures.movieScale * scale;
}

function timesOf(pictures, one) {
  const [scale, movie] = [BigInt(pictures.scale), pictures.movieScale];
  return [one.first, one.first + one.frames].map((at) => {
    const ticks = BigInt(pictures.times[Math.min(at, pictures.times.length - 1)]);
    return Number(((pictures.empty * scale + ticks * movie) * 1000n) / (scale * movie));
  });
}

/** Times (in ms) at which `blob` holds other pictures than `paper` says the camera recorded; none when all are its own. */
export async function checkCopied(blob, paper, thing) {
  const pictures = await readPictures(blob, thing);
  await checkSets(pictures, paper, thing);
  const within = paper.copied.filter((one) => one.first < pictures.times.length);
  const shifts = new Set(within.map((one) => shiftOf(pictures, one, paper)));
  need(shifts.size <= 1, thing, "does not show copied pictures at the recording's times");
  const differ = [];
  for (const one of paper.copied) {
    if (!(await isRecorded(blob, pictures, one, paper))) differ.push(timesOf(pictures, one));
  }
  return differ;
}
