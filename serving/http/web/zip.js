/** Zip: photos side by side in one archive, stored as they are; they are compressed already. APPNOTE 6.3.10, no zip64. */

const LARGEST = 0xffffffff;
const MOST = 0xffff;
const UTF8 = 0x0800;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? 0xedb88320 ^ (byte >>> 1) : byte >>> 1;
  return byte;
});

/** Holds blobs, not bytes, so that the browser may keep a large archive on disk. */
export class Zip {
  #parts = [];
  #directory = [];
  #size = 0;
  #names = new Set();

  /** Adds one file; a name that is taken gets a number. */
  async add(path, blob, modifiedMs = Date.now()) {
    const name = new TextEncoder().encode(this.#free(path));
    if (this.#size + blob.size + name.length > LARGEST || this.#directory.length === MOST) {
      throw new RangeError("one zip holds at most 4 GB and 65,535 photos; filter them and download them in parts");
    }
    const entry = { name, size: blob.size, crc: await crc32(blob), time: dosTime(modifiedMs), offset: this.#size };
    const head = fields([4, 0x04034b50], ...common(entry), [2, 0]);
    this.#parts.push(head, name, blob);
    this.#directory.push(entry);
    this.#size += head.length + name.length + blob.size;
  }

  /** The archive. */
  finish() {
    const records = this.#directory.flatMap((entry) => [
      fields([4, 0x02014b50], [2, 20], ...common(entry), [2, 0], [2, 0], [2, 0], [2, 0], [4, 0], [4, entry.offset]),
      entry.name,
    ]);
    const size = records.reduce((sum, { length }) => sum + length, 0);
    const files = this.#directory.length;
    const end = fields([4, 0x06054b50], [2, 0], [2, 0], [2, files], [2, files], [4, size], [4, this.#size], [2, 0]);
    return new Blob([...this.#parts, ...records, end], { type: "application/zip" });
  }

  #free(path) {
    const wanted =
      path
        .split(/[\\/]/)
        .filter((part) => !["", ".", ".."].includes(part))
        .join("/") || "photo";
    const [, stem, kind] = /^(.*?)(\.[^./]*)?$/s.exec(wanted);
    let name = wanted;
    for (let number = 2; this.#names.has(name.toLowerCase()); number++) name = `${stem} (${number})${kind ?? ""}`;
    this.#names.add(name.toLowerCase());
    return name;
  }
}

/** What an entry's own head and the directory have in common: from "version needed" to the name's length. */
const common = ({ name, size, crc, time }) => [
  [2, 20],
  [2, UTF8],
  [2, 0],
  [4, time],
  [4, crc],
  [4, size],
  [4, size],
  [2, name.length],
];

/** Little-endian numbers of 2 or 4 bytes. */
function fields(...numbers) {
  const view = new DataView(new ArrayBuffer(numbers.reduce((sum, [bytes]) => sum + bytes, 0)));
  let at = 0;
  for (const [bytes, value] of numbers) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bytes;
  }
  return new Uint8Array(view.buffer);
}

async function crc32(blob) {
  let crc = -1;
  const reader = blob.stream().getReader();
  for (let piece; !(piece = await reader.read()).done;) {
    for (const byte of piece.value) crc = TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}

/** MS-DOS's: time in the low half, date since 1980 in the high half, local, two seconds fine. */
function dosTime(ms) {
  const at = new Date(ms);
  const date = (Math.max(at.getFullYear() - 1980, 0) << 9) | ((at.getMonth() + 1) << 5) | at.getDate();
  const time = (at.getHours() << 11) | (at.getMinutes() << 5) | (at.getSeconds() >> 1);
  return ((date << 16) | time) >>> 0;
}
