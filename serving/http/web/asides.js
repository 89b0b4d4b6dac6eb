/** Below an answer: what it hangs on, and what would be right; each only where the server offers it, and on demand. */

import { h, words } from "./dom.js";
import { askedOf } from "./models.js";
import { correct, explain } from "./server.js";

/** @param offers {explain, feedback, feedback_photos} of the server; @param connection makes the calls. */
export function asides(photo, models, offers, connection) {
  const answered = askedOf(models).filter(({ name }) => photo.answer.results[name]);
  return [
    ...(offers.explain ? answered.map((model) => why(photo, model, connection)) : []),
    ...(offers.feedback ? [wrong(photo, answered, offers.feedback_photos, connection)] : []),
  ];
}

function why(photo, { name }, connection) {
  const { label } = photo.answer.results[name].predictions[0];
  const shown = h("div", { "aria-live": "polite" });
  const draw = async ({ target }) => {
    if (!target.open || shown.childElementCount) return;
    shown.replaceChildren(h("p", { class: "note" }, "Looking at it piece by piece …"));
    const { signal } = photo.removal;
    try {
      const url = URL.createObjectURL(await connection.patiently(() => explain(name, photo.file, signal), signal));
      const alt = `The photo as the model sees it; red where “${words(label)}” hangs on it`;
      const picture = h("img", { src: url, alt, onload: () => URL.revokeObjectURL(url) });
      const legend = "Red: hiding it makes this answer less likely. Blue: hiding it makes it likelier. As the model sees the photo.";
      shown.replaceChildren(picture, h("p", { class: "note" }, legend));
    } catch (error) {
      shown.replaceChildren(h("p", { class: "note" }, `It cannot be said: ${error.message}.`));
    }
  };
  return h("details", { class: "aside evidence", ontoggle: draw }, h("summary", {}, `Why “${words(label)}”?`), shown);
}

function wrong(photo, answered, keepsPhotos, connection) {
  const kept = keepsPhotos
    ? "This sends the photo again, and the server keeps it together with what you say."
    : "This sends the photo again; the server keeps its fingerprint and what you say, not the photo.";
  const forms = answered.map((model) => correction(photo, model, connection));
  return h("details", { class: "aside correcting" }, h("summary", {}, "Is that wrong?"), h("p", { class: "note" }, kept), forms);
}

function correction(photo, { name, labels }, connection) {
  const { label } = photo.answer.results[name].predictions[0];
  const option = ({ name: each }) => h("option", { value: each, selected: each === label }, words(each));
  const select = h("select", { "aria-label": `What is right, by ${words(name)}` }, labels.map(option));
  const said = h("p", { class: "note", role: "status" });
  const send = async (event) => {
    event.preventDefault();
    const { signal } = photo.removal;
    try {
      await connection.patiently(() => correct(name, photo.file, select.value, signal), signal);
      said.textContent = `Thank you. It is kept that “${words(select.value)}” is right.`;
    } catch (error) {
      said.textContent = `It was not kept: ${error.message}.`;
    }
  };
  return h("form", { onsubmit: send }, select, h("button", { type: "submit" }, "Send"), said);
}
