/** What a file is, by its first bytes: what cannot be read or turned is told by its kind. */

const HEIF = { heic: "HEIC", heix: "HEIC", hevc: "HEIC", mif1: "HEIC", msf1: "HEIC", avif: "AVIF", avis: "AVIF" };

/** "JPEG", "GIF", …; "" if it is none that is known. */
export async function kindOf(file) {
  const bytes = new Uint8Array(await file.slice(0, 48).arrayBuffer());
  const text = String.fromCharCode(...bytes);
  if (text.startsWith("\xff\xd8")) return "JPEG";
  if (text.startsWith("\x89PNG")) return text.includes("acTL") ? "animated PNG" : "PNG";
  if (text.startsWith("GIF8")) return "GIF";
  if (text.startsWith("BM")) return "BMP";
  if (text.startsWith("II*\0") || text.startsWith("MM\0*")) return "TIFF";
  if (text.startsWith("RIFF") && text.slice(8, 12) === "WEBP") return isAnimated(text, bytes) ? "animated WebP" : "WebP";
  return text.slice(4, 8) === "ftyp" ? (HEIF[text.slice(8, 12)] ?? "") : "";
}

const isAnimated = (text, bytes) => text.slice(12, 16) === "VP8X" && (bytes[20] & 2) !== 0;

const LEFT_ALONE = new Set(["GIF", "BMP", "animated PNG", "animated WebP"]);

/** Whether the server turns files of this kind; what it cannot tell by a kind it tells itself. */
export const isTurned = (kind) => !LEFT_ALONE.has(kind);
