/** Intake: files that are dropped, pasted or chosen, folders included. */

import { byId } from "./dom.js";

const PHOTO = /\.(jpe?g|png|webp|gif|bmp|tiff?|mpo|heic|heif|avif)$/i;

/** Calls `take` with files, or {file, path} of those in folders. */
export function intake(take) {
  for (const input of [byId("chooser"), byId("capture")]) {
    input.addEventListener("change", () => {
      take([...input.files]);
      input.value = ""; // so that the same photo may be chosen again
    });
  }
  document.addEventListener("paste", ({ clipboardData }) => takeSome(take, clipboardData.files));
  document.addEventListener("dragover", (event) => hover(event, true));
  document.addEventListener("dragleave", (event) => event.relatedTarget ?? hover(event, false));
  document.addEventListener("drop", async (event) => {
    hover(event, false);
    takeSome(take, await dropped(event.dataTransfer));
  });
}

const takeSome = (take, files) => files.length && take([...files]);

function hover(event, over) {
  if (!event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  document.body.classList.toggle("dropping", over);
}

/** Entries must be asked for before the event is over; the files in folders come later. */
async function dropped({ items, files }) {
  const entries = [...items].map((item) => item.webkitGetAsEntry?.());
  if (!entries.some((entry) => entry?.isDirectory)) return files;
  const found = await Promise.all(entries.filter(Boolean).map(inside));
  return found.flat();
}

async function inside(entry) {
  if (entry.isDirectory) return (await Promise.all((await children(entry)).map(inside))).flat();
  if (!PHOTO.test(entry.name)) return []; // a folder holds other things too, and nobody chose them one by one
  const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
  return [{ file, path: entry.fullPath.slice(1) }];
}

/** A reader gives a hundred at a time, and none at the end. */
async function children(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return all;
    all.push(...some);
  }
}
