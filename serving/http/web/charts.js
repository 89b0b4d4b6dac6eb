/** What was measured on a model, drawn: reliability, confusion, risk and coverage. */

import { count, h, percent, s, style, words } from "./dom.js";

const SIDE = 200;
const MARGIN = { left: 34, bottom: 24, top: 8, right: 10 };
const LARGEST_MATRIX = 12;
const LISTED_CONFUSIONS = 8;

const x = (share) => MARGIN.left + share * SIDE;
const y = (share) => MARGIN.top + (1 - share) * SIDE;

/** Accuracy against the probability that was told; on the diagonal, 80 % means right in 80 of 100. */
export function reliability(bins) {
  const filled = bins.filter(({ images }) => images > 0);
  if (!filled.length) return null;
  const most = Math.max(...filled.map(({ images }) => images));
  const points = filled.map((bin) => [x(bin.probability), y(bin.accuracy)]);
  const dots = filled.map((bin, index) => {
    const [cx, cy] = points[index];
    const told = `told ${percent(bin.probability)}, right ${percent(bin.accuracy)}, ${count(bin.images, "image")}`;
    return s("circle", { cx, cy, r: 2.5 + 4.5 * Math.sqrt(bin.images / most) }, s("title", {}, told));
  });
  const line = s("polyline", { class: "line", points: points.join(" ") });
  const diagonal = s("line", { class: "ideal", x1: x(0), y1: y(0), x2: x(1), y2: y(1) });
  const said = filled.map((bin) => `${percent(bin.probability, 0)}: ${percent(bin.accuracy, 0)}`).join(", ");
  const drawing = plot(`Reliability, probability told and share right: ${said}`, [0, 1], [0, 1], diagonal, line, dots);
  return figure("Reliability", drawing, "probability told →", "share right ↑");
}

/** Accuracy among the surest answers only. */
export function riskCoverage(steps) {
  if (steps.length < 2) return null;
  const lowest = Math.min(...steps.map(({ accuracy }) => accuracy));
  const floor = Math.max(0, Math.floor(lowest * 20 - 1) / 20);
  const at = ({ coverage, accuracy }) => [x(coverage), y((accuracy - floor) / (1 - floor))];
  const said = steps.map(({ coverage, accuracy }) => `${percent(coverage, 0)}: ${percent(accuracy)}`).join(", ");
  const label = `Accuracy among the surest share of the answers: ${said}`;
  const line = s("polyline", { class: "line", points: steps.map(at).join(" ") });
  return figure("Accuracy of the surest", plot(label, [0, 1], [floor, 1], line), "share answered →", "accuracy ↑");
}

/** A table where it can be read, else what is mistaken most. */
export function confusion(labels, matrix) {
  return labels.length <= LARGEST_MATRIX ? matrixTable(labels, matrix) : mistakes(labels, matrix);
}

function matrixTable(labels, matrix) {
  const head = labels.map((label) => h("th", { scope: "col" }, h("span", {}, words(label))));
  const rows = matrix.map((row, index) => {
    const total = row.reduce((sum, number) => sum + number, 0) || 1;
    const cells = row.map((number, column) =>
      style(h("td", { class: column === index ? "right" : "wrong" }, number.toLocaleString("en")), {
        "--share": number / total,
      }),
    );
    return h("tr", {}, h("th", { scope: "row" }, words(labels[index])), cells);
  });
  const table = h(
    "table",
    { class: "matrix" },
    h("thead", {}, h("tr", {}, h("td", {}, h("span", { class: "visually-hidden" }, "truth, answer")), head)),
    h("tbody", {}, rows),
  );
  return figure(
    "Confusion",
    h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Confusion matrix" }, table),
    "answered →",
    "truth ↓",
  );
}

function mistakes(labels, matrix) {
  const pairs = matrix.flatMap((row, truth) =>
    row.map((number, answer) => ({ number, truth, answer })).filter(({ number, answer }) => number && answer !== truth),
  );
  const listed = pairs.sort((one, other) => other.number - one.number).slice(0, LISTED_CONFUSIONS);
  const items = listed.map(({ number, truth, answer }) =>
    h("li", {}, `${words(labels[truth])} taken for ${words(labels[answer])}: ${number}`),
  );
  return figure("Mistaken most", h("ol", {}, items.length ? items : h("li", {}, "nothing")));
}

function figure(name, drawing, across, up) {
  const axes = across && h("span", { class: "axes" }, `${up}  ${across}`);
  return h("figure", {}, h("figcaption", {}, name, axes), drawing);
}

function plot(label, across, up, ...marks) {
  const width = MARGIN.left + SIDE + MARGIN.right;
  const height = MARGIN.top + SIDE + MARGIN.bottom;
  const grid = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
    s("line", { class: "grid", x1: x(0), x2: x(1), y1: y(share), y2: y(share) }),
    s("line", { class: "grid", x1: x(share), x2: x(share), y1: y(0), y2: y(1) }),
  ]);
  const figures = [0, 0.5, 1].flatMap((share) => [
    s("text", { x: x(share), y: y(0) + 17, "text-anchor": "middle" }, told(across, share)),
    s("text", { x: x(0) - 6, y: y(share) + 4, "text-anchor": "end" }, told(up, share)),
  ]);
  return s(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, class: "plot", role: "img", "aria-label": label },
    grid,
    figures,
    ...marks,
  );
}

const told = ([from, to], share) => `${+(100 * (from + share * (to - from))).toFixed(1)}`;
