/** Photos: what was dropped, pasted or chosen, its thumbnails and its answers. Nothing of it outlives the tab. */

import { kindOf } from "./file_kind.js";
import { asJudged } from "./orientation.js";
import { plainly } from "./plainly.js";

const ASKED_AT_ONCE = 4;
const DRAWN_AT_ONCE = 2; // each holds a whole decoded photo for a moment
const THUMBNAIL = 320;

/** Runs at most so many jobs at a time, the oldest first. */
function inTurn(atOnce) {
  const waiting = [];
  let running = 0;
  const next = async () => {
    if (running >= atOnce || !waiting.length) return;
    running++;
    await waiting
      .shift()()
      .catch((error) => reportError(error));
    running--;
    next();
  };
  return (job) => {
    waiting.push(job);
    next();
  };
}

/** One photo; `state` goes from "waiting" to "answered" or "failed". */
export class Photo {
  static #made = 0;
  id = ++Photo.#made;
  kind = "";
  state = "waiting";
  answer = null;
  error = null;
  thumbnail = null; // an object URL; null while there is none, or if this browser cannot show the format
  removal = new AbortController();

  constructor(file, path) {
    this.file = file;
    this.path = path || file.name || "photo";
    this.name = this.path.split("/").pop();
  }
}

/** All of them, in the order in which they came; fires `added`, `drawn`, `changed` and `removed` with the photo as detail. */
export class Photos extends EventTarget {
  list = [];
  #ask;
  #asking = inTurn(ASKED_AT_ONCE);
  #drawing = inTurn(DRAWN_AT_ONCE);

  /** @param ask file, signal → answer. */
  constructor(ask) {
    super();
    this.#ask = ask;
  }

  /** Takes files, or {file, path} of those from folders. */
  add(files) {
    const photos = [...files].map((item) => (item instanceof Blob ? new Photo(item) : new Photo(item.file, item.path)));
    for (const photo of photos) {
      this.list.push(photo);
      this.#tell("added", photo);
      this.#drawing(() => this.#draw(photo));
      this.#asking(() => this.#work(photo));
    }
    return photos;
  }

  /** Asks again about what failed. */
  retry() {
    for (const photo of this.list.filter(({ state }) => state === "failed")) {
      this.#change(photo, { state: "waiting", error: null });
      this.#asking(() => this.#work(photo));
    }
  }

  /** Lets go of the photo, of its thumbnail and of what is under way for it. */
  remove(photo) {
    this.list = this.list.filter((other) => other !== photo);
    photo.removal.abort();
    if (photo.thumbnail) URL.revokeObjectURL(photo.thumbnail);
    this.#tell("removed", photo);
  }

  async #work(photo) {
    const { signal } = photo.removal;
    if (signal.aborted) return;
    try {
      photo.kind = await kindOf(photo.file);
      const answer = await this.#ask(photo.file, signal);
      this.#change(photo, { state: "answered", answer });
    } catch (error) {
      this.#change(photo, { state: "failed", error: plainly(error, photo) });
    }
  }

  async #draw(photo) {
    if (photo.removal.signal.aborted) return;
    const blob = await asJudged(photo.file).then(thumbnail).catch(() => null); // TIFF, HEIC: the server can read them nevertheless
    if (blob) this.#change(photo, { thumbnail: URL.createObjectURL(blob) }, "drawn");
  }

  #change(photo, facts, type = "changed") {
    if (photo.removal.signal.aborted) {
      if (facts.thumbnail) URL.revokeObjectURL(facts.thumbnail);
      return;
    }
    Object.assign(photo, facts);
    this.#tell(type, photo);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** A small JPEG, turned as EXIF says; 500 photos take 10 MB in place of gigabytes of decoded pixels. */
async function thumbnail(file) {
  const options = { resizeHeight: THUMBNAIL, resizeQuality: "medium" };
  const bitmap = await createImageBitmap(file, options);
  const canvas = canvasOf(Math.min(bitmap.width, THUMBNAIL * 3), bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, (canvas.width - bitmap.width) / 2, 0); // the middle of a panorama will do
  bitmap.close();
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.8));
}

function canvasOf(width, height) {
  return Object.assign(document.createElement("canvas"), { width, height });
}
