/** What went wrong with a photo, in words for whoever gave it: the server's own are for those who call it. */

const MEGABYTE = 1024 * 1024;

/** A sentence without its full stop. */
export function plainly(error, { file, kind }) {
  if (file.size === 0) return "This file is empty";
  if (error.status === 413) return `This photo is too large${limit(error.message)}`;
  if (error.status === 415) return unread(kind);
  if (error.status === 422) return "This photo is broken or cut off, so it cannot be read";
  return error.message;
}

function limit(sentence) {
  const [, number, unit] = /at most (\d+(?:\.\d+)?) (bytes|megapixels)?/.exec(sentence) ?? [];
  if (!number) return "";
  return `: at most ${unit === "megapixels" ? `${number} megapixels` : `${Math.floor(number / MEGABYTE)} MB`}`;
}

function unread(kind) {
  if (kind === "HEIC" || kind === "AVIF") return `This server cannot read ${kind} photos`;
  return kind ? `This server cannot read ${kind} files` : "This file is no photo, or of a kind that Loupe cannot read";
}
