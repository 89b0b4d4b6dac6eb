/** Upright photos back to the person: one, or many in a zip that is made here. */

import { announce, byId, count } from "./dom.js";
import { isTurned } from "./file_kind.js";
import { Refused, upright } from "./server.js";
import { Zip } from "./zip.js";

const KEPT_MS = 60_000; // a browser may need a moment to begin reading what it saves

/** The buttons that download, and how far they are. */
export class Downloads {
  #gallery;
  #verdictOf;
  #connection;
  #stopped = null;

  /** @param verdictOf photo → {turn, certain}, or null. */
  constructor(gallery, verdictOf, connection) {
    this.#gallery = gallery;
    this.#verdictOf = verdictOf;
    this.#connection = connection;
    gallery.addEventListener("refresh", () => this.#label());
    byId("upright").addEventListener("click", () => this.#one());
    byId("zip").addEventListener("click", () => this.#all());
    byId("cancel").addEventListener("click", () => this.#stopped.abort());
  }

  async #one() {
    const photo = this.#gallery.selected;
    await this.#working(async (signal) => {
      this.#progress("Turning …", undefined);
      const made = await this.#upright(photo, signal);
      if (!made.turned) return "The photo stays as it is: a second look at it turned was not certain.";
      save(made.photo, photo.name);
      return `${photo.name} is saved upright.`;
    });
  }

  async #all() {
    const photos = this.#gallery.shown;
    await this.#working(async (signal) => {
      const { zip, turned, doubted, refused } = await this.#zip(photos, signal);
      save(zip.finish(), "upright.zip");
      const said = [`${count(photos.length, "photo")} saved in upright.zip, ${turned} of them turned`];
      if (doubted) said.push(`${doubted} stayed as given, as a second look at them turned was not certain`);
      if (refused) said.push(`${refused} of a kind that cannot be turned stayed as given`);
      return `${said.join("; ")}.`;
    });
  }

  /** One photo at a time, so that memory holds one; what the server will not turn goes in as it is. */
  async #zip(photos, signal) {
    const made = { zip: new Zip(), turned: 0, doubted: 0, refused: 0 };
    for (const [index, photo] of photos.entries()) {
      this.#progress(`Photo ${index + 1} of ${photos.length}`, index / photos.length);
      const result = await this.#upright(photo, signal).catch((error) => {
        if (!(error instanceof Refused) || error.status === 401) throw error;
        return { photo: photo.file, refused: true };
      });
      signal.throwIfAborted();
      for (const what of ["turned", "doubted", "refused"]) made[what] += Boolean(result[what]);
      await made.zip.add(photo.path, result.photo, photo.file.lastModified);
    }
    return made;
  }

  /** Only what is sure to be turned is sent again: other photos come back byte for byte. */
  async #upright(photo, signal) {
    const verdict = this.#verdictOf(photo);
    if (!verdict?.certain || verdict.turn === 0) return { photo: photo.file };
    if (!isTurned(photo.kind)) return { photo: photo.file, refused: true };
    const made = await this.#connection.patiently(() => upright(photo.file, signal), signal);
    return { ...made, doubted: !made.turned };
  }

  async #working(work) {
    this.#stopped = new AbortController();
    this.#busy(true);
    try {
      const sentence = await work(this.#stopped.signal);
      this.#said(sentence);
    } catch (error) {
      this.#said(this.#stopped.signal.aborted ? "Nothing was saved." : `Nothing was saved: ${error.message}.`);
    } finally {
      this.#busy(false);
    }
  }

  #busy(busy) {
    for (const id of ["zip", "upright"]) byId(id).disabled = busy;
    byId("progress").hidden = !busy;
    byId("saved").hidden = busy;
  }

  #progress(text, share) {
    byId("progress-text").textContent = text;
    if (share === undefined) byId("progress-bar").removeAttribute("value");
    else byId("progress-bar").value = share;
  }

  #said(sentence) {
    byId("saved").textContent = sentence;
    announce(sentence);
  }

  #label() {
    const { shown } = this.#gallery;
    const turning = shown.filter((photo) => {
      const verdict = this.#verdictOf(photo);
      return verdict?.certain && verdict.turn && isTurned(photo.kind);
    }).length;
    byId("zip").textContent = `Download ${shown.length} as zip${turning ? `, ${turning} turned upright` : ""}`;
  }
}

function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
}
