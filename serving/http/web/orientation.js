/** A WebP's EXIF orientation: browsers overlook it, and the server, as all that reads EXIF, heeds it. */

const TAG = 0x0112;
const LONGEST = 65536; // bytes of EXIF that are looked into
const SIDE = 2048; // of what is drawn anew; more no screen shows
const SWAPS_SIDES = 5; // from this orientation on
/** What each orientation does to a picture of 1 x 1, as a canvas takes it. */
const TURNS = {
  2: [-1, 0, 0, 1, 1, 0],
  3: [-1, 0, 0, -1, 1, 1],
  4: [1, 0, 0, -1, 0, 1],
  5: [0, 1, 1, 0, 0, 0],
  6: [0, 1, -1, 0, 1, 0],
  7: [0, -1, -1, 0, 1, 1],
  8: [0, -1, 1, 0, 0, 1],
};

/** The picture as the server judges it; the file itself where browsers see the same. */
export async function asJudged(file) {
  const orientation = await overlooked(file).catch(() => 1);
  return orientation in TURNS ? turned(file, orientation) : file;
}

async function overlooked(file) {
  const head = await read(file, 0, 12);
  if (text(head, 0) !== "RIFF" || text(head, 8) !== "WEBP") return 1;
  for (let at = 12; at + 8 <= file.size; ) {
    const chunk = await read(file, at, 8);
    const size = chunk.getUint32(4, true);
    if (text(chunk, 0) === "EXIF") return orientationIn(await read(file, at + 8, Math.min(size, LONGEST)));
    at += 8 + size + (size % 2);
  }
  return 1;
}

function orientationIn(exif) {
  const start = text(exif, 0) === "Exif" ? 6 : 0;
  const little = text(exif, start).startsWith("II");
  const directory = start + exif.getUint32(start + 4, little);
  const count = exif.getUint16(directory, little);
  for (let at = directory + 2; at < directory + 2 + 12 * count; at += 12) {
    if (exif.getUint16(at, little) === TAG) return exif.getUint16(at + 8, little);
  }
  return 1;
}

async function turned(file, orientation) {
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
  const sides = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  const [width, height] = orientation < SWAPS_SIDES ? sides : [sides[1], sides[0]];
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d");
  const [a, b, c, d, e, f] = TURNS[orientation];
  context.setTransform(a, b, c, d, e * width, f * height);
  context.drawImage(bitmap, 0, 0, ...sides);
  bitmap.close();
  return new Promise((resolve) => canvas.toBlob(resolve, "image/webp", 0.9));
}

const read = async (file, start, size) => new DataView(await file.slice(start, start + size).arrayBuffer());

const text = (view, at) => String.fromCharCode(...new Uint8Array(view.buffer, at, 4));
