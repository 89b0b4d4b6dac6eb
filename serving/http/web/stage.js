/** Stage: the picture between four arrows, each as bright as its side is likely to be up. */

import { byId, h, percent, s, style } from "./dom.js";
import { asJudged } from "./orientation.js";

const SIDES = ["up", "right", "down", "left"];

/** Shows one photo or the camera; the arrows belong to the picture and turn with it. */
export class Stage {
  #stage = byId("stage");
  #frame = byId("frame");
  #picture = byId("picture");
  #video = byId("video");
  #arrows = byId("arrows");
  #photo = null;
  #url = null;
  #sides = Object.fromEntries(SIDES.map((side) => [side, arrow(side)]));
  #turn = 0;
  #turned = false;

  constructor() {
    this.#arrows.append(...Object.values(this.#sides));
    this.#picture.addEventListener("load", () => this.#fit(this.#picture.naturalWidth, this.#picture.naturalHeight));
    this.#picture.addEventListener("error", () => this.#show("unseen"));
    this.#video.addEventListener("resize", () => this.#fit(this.#video.videoWidth, this.#video.videoHeight));
    this.photo(null);
  }

  /** Shows a photo; null: none. */
  photo(photo) {
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = null;
    this.#photo = photo;
    this.#stand();
    if (!photo) return this.#show("empty");
    this.#show("photo");
    this.#picture.alt = photo.name;
    this.#draw(photo);
  }

  async #draw(photo) {
    const picture = await asJudged(photo.file).catch(() => photo.file);
    if (photo !== this.#photo) return; // another came meanwhile
    this.#url = URL.createObjectURL(picture);
    this.#picture.src = this.#url;
  }

  /** Shows the camera, as it sees and not mirrored: left and right mean the picture's. */
  camera() {
    this.photo(null);
    this.#show("camera");
  }

  /** Lights the arrows; null: nothing is known yet. */
  answer(shares, verdict) {
    for (const [side, element] of Object.entries(this.#sides)) light(element, shares?.[side], Boolean(shares));
    this.#stage.classList.toggle("known", Boolean(shares));
    this.#stage.classList.toggle("unsure", verdict?.certain === false);
    const said = SIDES.filter((side) => shares && side in shares).map((side) => `${side} ${percent(shares[side], 0)}`);
    this.#arrows.setAttribute("aria-label", said.length ? `Which side is up: ${said.join(", ")}` : "Which side is up");
    this.#turn = verdict?.turn ?? 0;
    this.#rotate();
  }

  /** Whether the picture is seen as it is or turned upright. */
  set turned(turned) {
    this.#turned = turned;
    this.#frame.classList.remove("still");
    this.#rotate();
  }

  /** A picture that comes anew stands at once, it does not swing in from where the last one was. */
  #stand() {
    this.#frame.classList.add("still");
    this.answer(null, null);
  }

  #rotate() {
    const degrees = this.#turned ? this.#turn : 0;
    style(this.#frame, { "--turn": `${degrees === 270 ? -90 : degrees}deg` });
  }

  #fit(width, height) {
    const longer = Math.max(width, height, 1);
    style(this.#frame, { "--width": width / longer || 1, "--height": height / longer || 1 });
  }

  #show(what) {
    this.#stage.dataset.shows = what;
    if (what !== "photo") this.#picture.removeAttribute("src");
    if (what === "empty" || what === "unseen") this.#fit(1, what === "empty" ? 0.75 : 1);
  }
}

function arrow(side) {
  const shape = s("path", { d: "M16 5 28 24 Q16 19 4 24 Z" });
  const share = h("span", { class: "share" });
  return h("div", { class: `side ${side}` }, s("svg", { viewBox: "0 0 32 32", class: "arrow" }, shape), share);
}

function light(element, share, known) {
  element.hidden = known && share === undefined; // a model need not know all four
  style(element, { "--share": share ?? 0 });
  element.querySelector(".share").textContent = share === undefined ? "" : percent(share, 0);
}
