/** The strip under the header that says what is wrong with the server or the camera. */

import { byId } from "./dom.js";

/** Follows the connection; other sentences stay until the next one. */
export class Trouble {
  #connection;
  #action = byId("trouble-action");

  constructor(connection) {
    this.#connection = connection;
    connection.addEventListener("change", () => this.#follow());
    this.#action.addEventListener("click", () => connection.tryNow());
  }

  /** Says one sentence; with `action`, there is a button. */
  say(sentence, action = null) {
    byId("trouble").hidden = !sentence;
    byId("trouble-text").textContent = sentence;
    this.#action.hidden = !action;
    this.#action.textContent = action ?? "";
  }

  /** Forgets what the camera or a key had to say; what is wrong with the server stays. */
  clear() {
    this.#follow();
  }

  #follow() {
    const { state } = this.#connection;
    document.body.dataset.connection = state;
    if (state === "gone") this.say("The server does not answer. Your photos wait here until it is back.", "Try now");
    else if (state === "busy") this.say("The server is busy. Your photos have their turn in a moment.");
    else this.say("");
  }
}
