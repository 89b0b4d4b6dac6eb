/** The dialog that asks for the server's API key. */

import { byId } from "./dom.js";
import { Refused, key } from "./server.js";

/** Resolves once there is a key to try; rejects if the person will not give one. */
export function askForKey() {
  const dialog = byId("key-dialog");
  const input = byId("key-input");
  byId("key-note").textContent = key.get()
    ? "The server does not know this key; try another."
    : "It is kept in this tab and forgotten when the tab is closed.";
  input.value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve, reject) => {
    const closed = () => {
      if (dialog.returnValue !== "use") return reject(new Refused(401, "the server asks for an API key"));
      key.set(input.value.trim());
      resolve();
    };
    dialog.addEventListener("close", closed, { once: true });
  });
}
