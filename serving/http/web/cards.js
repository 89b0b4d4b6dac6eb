/** Each model's card: what it is, how well it measured, on what. */

import { confusion, reliability, riskCoverage } from "./charts.js";
import { h, percent, prose, title, words } from "./dom.js";
import { shortProvider } from "./models.js";

const MOST_LABELS = 30;

const number = (value) => value.toLocaleString("en");

/** The card of one model, from the facts in its file. */
export function card(model) {
  const { metrics } = model;
  return h(
    "article",
    { class: "card", "aria-labelledby": `model-${model.name}` },
    h(
      "header",
      {},
      h("h3", { id: `model-${model.name}` }, title(model.name)),
      h("span", { class: "pill plain" }, `version ${model.version}`),
      h("span", { class: "pill plain" }, shortProvider(model.provider)),
    ),
    model.description && h("p", { class: "description" }, prose(model.description)),
    model.limits && h("p", { class: "limits" }, h("strong", {}, "Limits: "), prose(model.limits)),
    metrics
      ? [figures(metrics), h("div", { class: "charts" }, charts(model, metrics))]
      : h("p", { class: "note" }, "Nothing was measured on this file."),
    more(model),
  );
}

function figures(metrics) {
  const [from, to] = metrics.accuracy_interval ?? [];
  const sure =
    metrics.certain_accuracy == null ? "none is sure enough" : `${percent(metrics.certain_accuracy)} of them right`;
  const all = [
    ["Accuracy", percent(metrics.accuracy), from != null && `95 %: ${percent(from)} to ${percent(to)}`],
    ["Certain answers", percent(metrics.certain_share), sure],
    metrics.roc_auc != null && ["ROC AUC", metrics.roc_auc.toFixed(3), null],
    ["Test images", number(metrics.images), "that training never saw"],
  ];
  return h(
    "dl",
    { class: "figures" },
    all
      .filter(Boolean)
      .map(([name, value, note]) =>
        h("div", {}, h("dt", {}, name), h("dd", {}, h("strong", {}, value), note && h("small", {}, note))),
      ),
  );
}

function charts({ labels }, metrics) {
  return [
    confusion(
      labels.map(({ name }) => name),
      metrics.confusion_matrix,
    ),
    reliability(metrics.reliability ?? []),
    riskCoverage(metrics.risk_coverage ?? []),
  ];
}

function more(model) {
  const { labels, metrics, preprocessing, sources, training } = model;
  const facts = [
    ["Labels", listed(labels.map(({ name }) => words(name)))],
    [
      "Sees",
      `${preprocessing.width} × ${preprocessing.height} pixels, ${preprocessing.channels === 1 ? "grey" : "colour"}`,
    ],
    ["Precision", model.precision],
    ["Licence", model.licence],
    ["Made", model.created.slice(0, 10)],
    ...Object.entries(training)
      .filter(([, value]) => !value.startsWith("{")) // a recipe is for machines
      .map(([name, value]) => [title(name), value]),
  ];
  const rows = facts
    .filter(([, value]) => value)
    .map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value)));
  return h(
    "details",
    {},
    h("summary", {}, "More about this model"),
    h("table", { class: "more" }, h("tbody", {}, rows)),
    metrics && byLabel(metrics),
    sources.length > 0 && learntFrom(sources),
  );
}

function listed(names) {
  const left = names.length - MOST_LABELS;
  return names.slice(0, MOST_LABELS).join(", ") + (left > 0 ? ` and ${left} more` : "");
}

function byLabel({ labels }) {
  const rows = Object.entries(labels).map(([name, { precision, recall, support }]) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, words(name)),
      h("td", {}, percent(precision)),
      h("td", {}, percent(recall)),
      h("td", {}, number(support)),
    ),
  );
  return table("By label", ["label", "precision", "recall", "images"], rows);
}

function learntFrom(sources) {
  const rows = sources.map(({ name, images, licence }) =>
    h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, number(images)), h("td", {}, licence)),
  );
  return table("Learnt from", ["source", "photos", "licence"], rows);
}

function table(caption, heads, rows) {
  const head = h(
    "tr",
    {},
    heads.map((name) => h("th", { scope: "col" }, name)),
  );
  return h("table", { class: "more" }, h("caption", {}, caption), h("thead", {}, head), h("tbody", {}, rows));
}
