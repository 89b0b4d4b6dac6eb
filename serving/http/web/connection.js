/** Connection: patience with a server that is busy, gone, or asks for a key. */

import { Refused, Unreachable, alive } from "./server.js";

const POLL_MS = 2000;
const LONGEST_PAUSE_S = 30;
const GONE = new Set([502, 503]); // a proxy without its server; a server that is being stopped

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function unlessAborted(waiting, signal) {
  if (!signal) return waiting;
  const aborted = new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  return Promise.race([waiting, aborted]);
}

/** Fires `change`; `state` is "ready", "busy" or "gone". */
export class Connection extends EventTarget {
  state = "ready";
  #askForKey;
  #back = null;
  #key = null;
  #declined = false; // hundreds of photos need not ask for what was refused once
  #wake = () => {};

  /** @param askForKey resolves once there is a key to try, and rejects if the person will not give one. */
  constructor(askForKey) {
    super();
    this.#askForKey = askForKey;
    window.addEventListener("online", () => this.tryNow());
  }

  /** Makes a call until it is answered; throws only what trying again cannot mend, and when `signal` ends the wait. */
  async patiently(call, signal) {
    for (let attempt = 1; ; attempt++) {
      await unlessAborted(this.#back, signal);
      try {
        const answer = await call();
        this.#become("ready");
        return answer;
      } catch (error) {
        await unlessAborted(this.#endure(error, attempt), signal);
      }
    }
  }

  /** The person wants something anew, and may be asked for a key anew. */
  begin() {
    this.#declined = false;
  }

  /** Looks now whether the server is back, and not only at the next interval. */
  tryNow() {
    this.#wake();
  }

  async #endure(error, attempt) {
    if (error instanceof Unreachable) return this.#unanswered(attempt);
    if (!(error instanceof Refused)) throw error;
    if (GONE.has(error.status)) return (this.#back ??= this.#untilBack());
    if (error.status === 401 && !this.#declined) return (this.#key ??= this.#untilKey());
    if (error.status !== 429) throw error;
    this.#become("busy");
    const pauseS = Math.min(error.retryAfterS * 1.5 ** (attempt - 1), LONGEST_PAUSE_S);
    await sleep(1000 * pauseS * (1 + Math.random() / 4)); // not all at the same time
  }

  async #unanswered(attempt) {
    if (!(await alive())) return (this.#back ??= this.#untilBack());
    if (attempt < 2) return;
    const sentence = "the upload was cut off: the photo is too large for this server, or has changed on disk";
    throw new Refused(0, sentence);
  }

  async #untilKey() {
    try {
      await this.#askForKey();
    } catch (error) {
      this.#declined = true;
      throw error;
    } finally {
      this.#key = null;
    }
  }

  async #untilBack() {
    this.#become("gone");
    do {
      await Promise.race([sleep(POLL_MS), new Promise((resolve) => (this.#wake = resolve))]);
    } while (!(await alive()));
    this.#back = null;
    this.#become("ready");
  }

  #become(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }
}
