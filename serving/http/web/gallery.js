/** Gallery: the photos as a grid that can be filtered and walked through with the arrow keys. */

import { announce, byId, count, h, s, style, title } from "./dom.js";
import { kindOf, positivesOf, verdictOf } from "./models.js";
import { spoken } from "./verdict.js";

const BADGES = {
  upright: "M7 16.5 13 22.5 25 10",
  turn: "M16 25 V8 M8.5 15 16 7.5 23.5 15",
  unsure: "M11.5 12.5 a4.5 4.5 0 1 1 7 3.7 q-2.5 1.6-2.5 4 M16 24.6 v.6",
  failed: "M10 10 22 22 M22 10 10 22",
};
const ALL = "all";
const FILTERS = { sideways: "Sideways", upsideDown: "Upside down", upright: "Upright", unsure: "Not certain" };

/** Fires `select` with the photo as detail, and `remove`. */
export class Gallery extends EventTarget {
  #list = byId("thumbnails");
  #filters = byId("filters");
  #tiles = new Map();
  #photos;
  #models = [];
  #filter = ALL;
  #selected = null;
  #refreshing = 0;

  constructor(photos) {
    super();
    this.#photos = photos;
    photos.addEventListener("added", ({ detail }) => this.#add(detail));
    for (const type of ["drawn", "changed"]) photos.addEventListener(type, ({ detail }) => this.#update(detail));
    photos.addEventListener("removed", ({ detail }) => this.#drop(detail));
    this.#list.addEventListener("keydown", (event) => this.#key(event));
    this.#list.addEventListener("click", ({ target }) => this.#look(target.closest(".tile")?.photo));
  }

  /** What is known of the models; names and filters depend on it. */
  set models(models) {
    this.#models = models;
    this.#photos.list.forEach((photo) => this.#update(photo));
  }

  /** The photos that pass the filter. */
  get shown() {
    return this.#photos.list.filter((photo) => this.#passes(photo));
  }

  get selected() {
    return this.#selected;
  }

  /** Goes to the next photo that is shown, or with -1 to the one before. */
  step(by) {
    const { shown } = this;
    this.#choose(shown[(shown.indexOf(this.#selected) + by + shown.length) % shown.length]);
  }

  /** Marks a photo as the one on the stage. */
  select(photo) {
    this.#tile(this.#selected)?.setAttribute("aria-selected", "false");
    this.#selected = photo;
    this.#tile(photo)?.setAttribute("aria-selected", "true");
    this.#rove();
  }

  #tile = (photo) => this.#tiles.get(photo);

  #choose(photo) {
    if (photo) this.dispatchEvent(new CustomEvent("select", { detail: photo }));
  }

  /** On a small screen, or far down in the grid, the stage is out of sight. */
  #look(photo) {
    this.#choose(photo);
    if (photo) byId("stage").scrollIntoView({ block: "nearest" });
  }

  #add(photo) {
    const tile = h(
      "div",
      { class: "tile", role: "option", "aria-selected": "false", tabindex: -1 },
      h("span", { class: "thumb", "data-kind": /[^.]{0,5}$/.exec(photo.name)[0].toUpperCase() }),
      h("span", { class: "caption", title: photo.path }, photo.name),
    );
    tile.photo = photo;
    this.#tiles.set(photo, tile);
    this.#list.append(tile);
    this.#update(photo);
  }

  #update(photo) {
    const tile = this.#tile(photo);
    const thumb = tile.firstChild;
    if (photo.thumbnail && !thumb.querySelector("img")) {
      thumb.prepend(h("img", { src: photo.thumbnail, alt: "", loading: "lazy", decoding: "async" }));
    }
    const verdict = verdictOf(this.#models, photo.answer?.results);
    const class_ = classOf(photo, verdict);
    const turn = verdict?.turn ?? 0;
    style(thumb, { "--turn": `${turn === 270 ? -90 : turn}deg`, "--side": `${-turn}deg` });
    tile.dataset.verdict = class_;
    const badges = [badge(class_), ...this.#positives(photo).map((name) => h("span", { class: "tag" }, title(name)))];
    thumb.querySelectorAll(".badge, .tag").forEach((old) => old.remove());
    thumb.append(...badges.filter(Boolean));
    tile.setAttribute("aria-label", `${photo.name}: ${this.#said(photo)}`);
    this.#refresh();
  }

  #drop(photo) {
    const tile = this.#tile(photo);
    const next = tile.nextElementSibling ?? tile.previousElementSibling;
    const focused = tile === document.activeElement;
    tile.remove();
    this.#tiles.delete(photo);
    if (photo === this.#selected) this.dispatchEvent(new CustomEvent("select", { detail: next?.photo ?? null }));
    if (focused) next?.focus();
    this.#refresh();
  }

  #said(photo) {
    if (photo.state === "failed") return photo.error;
    return photo.answer ? spoken(this.#models, photo.answer.results) : "waiting";
  }

  #positives = (photo) => positivesOf(this.#models, photo.answer?.results);

  #groups(photo) {
    if (photo.state === "failed") return ["Failed"];
    const verdict = verdictOf(this.#models, photo.answer?.results);
    const positives = this.#positives(photo).map(title);
    return verdict ? [FILTERS[group(verdict)], ...positives] : positives;
  }

  #passes = (photo) => this.#filter === ALL || this.#groups(photo).includes(this.#filter);

  /** Once a frame at most, however many answers come in. */
  #refresh() {
    this.#refreshing ||= requestAnimationFrame(() => {
      this.#refreshing = 0;
      this.#count();
      for (const [photo, tile] of this.#tiles) tile.hidden = !this.#passes(photo);
      this.#rove();
      this.dispatchEvent(new Event("refresh"));
    });
  }

  #count() {
    const counts = new Map([[ALL, this.#photos.list.length]]);
    const gauges = this.#models.filter((model) => kindOf(model) === "gauge");
    for (const name of [...Object.values(FILTERS), ...gauges.map((model) => title(model.labels[1].name)), "Failed"]) {
      counts.set(name, 0);
    }
    for (const photo of this.#photos.list) {
      for (const name of this.#groups(photo)) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    if (!counts.get(this.#filter)) this.#filter = ALL;
    this.#draw([...counts].filter(([name, number]) => number || name === ALL));
  }

  #draw(counts) {
    const focused = this.#filters.contains(document.activeElement) && document.activeElement.dataset.filter;
    const chips = counts.map(([name, number]) =>
      h(
        "button",
        {
          type: "button",
          class: "chip",
          "aria-pressed": String(name === this.#filter),
          "data-filter": name,
          onclick: () => this.#only(name),
        },
        `${name === ALL ? "All" : name} `,
        h("span", { class: "number" }, number),
      ),
    );
    this.#filters.replaceChildren(...chips);
    if (focused) chips.find((chip) => chip.dataset.filter === focused)?.focus();
  }

  #only(filter) {
    this.#filter = filter;
    this.#refresh();
    announce(`${count(this.shown.length, "photo")} shown`);
  }

  #rove() {
    const tiles = this.#visible();
    const entry = tiles.find((tile) => tile.photo === this.#selected) ?? tiles[0];
    for (const tile of this.#tiles.values()) tile.tabIndex = tile === entry ? 0 : -1;
  }

  #visible = () => [...this.#list.children].filter((tile) => !tile.hidden);

  #key(event) {
    const tiles = this.#visible();
    const at = tiles.indexOf(document.activeElement);
    const columns = getComputedStyle(this.#list).gridTemplateColumns.split(" ").length;
    const steps = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -columns,
      ArrowDown: columns,
      Home: -at,
      End: tiles.length - 1 - at,
    };
    if (event.key in steps) this.#walk(tiles[at + steps[event.key]], event);
    else if (event.key === "Delete" && at >= 0)
      this.dispatchEvent(new CustomEvent("remove", { detail: tiles[at].photo }));
  }

  #walk(tile, event) {
    event.preventDefault();
    if (!tile) return;
    this.#choose(tile.photo);
    tile.focus();
  }
}

function group({ certain, turn }) {
  if (!certain) return "unsure";
  return { 0: "upright", 180: "upsideDown" }[turn] ?? "sideways";
}

function classOf(photo, verdict) {
  if (photo.state !== "answered") return photo.state;
  if (!verdict) return "answered";
  if (!verdict.certain) return "unsure";
  return verdict.turn ? "turn" : "upright";
}

function badge(class_) {
  const path = BADGES[class_];
  return path && h("span", { class: `badge ${class_}` }, s("svg", { viewBox: "0 0 32 32" }, s("path", { d: path })));
}
