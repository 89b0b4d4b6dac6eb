/** Elements and words. Text always enters as text, never as markup: file names and labels are strangers' words. */

const SVG = "http://www.w3.org/2000/svg";

/** Makes an HTML element: h("p", {class: "note", onclick: f}, "text", child, null). */
export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

/** Makes an SVG element likewise. */
export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** The element of this id. */
export const byId = (id) => document.getElementById(id);

/** Sets custom properties; markup may hold no style, but scripts of ours may set some. */
export function style(element, properties) {
  for (const [name, value] of Object.entries(properties)) element.style.setProperty(name, value);
  return element;
}

/** 0.853 → "85.3 %"; what would be rounded to all or nothing is told to be a little less, or more. No line breaks in it. */
export function percent(share, digits = 1) {
  const least = 10 ** -digits;
  const rounded = (share * 100).toFixed(digits);
  if (Number(rounded) === 100 && share < 1) return `>\u00a0${(100 - least).toFixed(digits)}\u00a0%`;
  if (Number(rounded) === 0 && share > 0) return `<\u00a0${least.toFixed(digits)}\u00a0%`;
  return `${rounded}\u00a0%`;
}

/** Text in which `this` is code, as a model's description may have it. */
export const prose = (text) => text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));

/** "not_selfie" → "not selfie". */
export const words = (name) => name.replaceAll("_", " ");

/** "not_selfie" → "Not selfie". */
export const title = (name) => words(name).replace(/^./, (first) => first.toUpperCase());

/** count(2, "photo") → "2 photos". */
export const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

let announcing;

/** Tells those who listen instead of looking; only the last of what comes at once. */
export function announce(sentence) {
  clearTimeout(announcing);
  announcing = setTimeout(() => (byId("status").textContent = sentence), 250);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}
