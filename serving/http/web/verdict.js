/** What the models say of one picture, in words, gauges and bars. */

import { h, percent, s, style, title, words } from "./dom.js";
import { kindOf, orientationOf, shortProvider, verdictOf } from "./models.js";

const HEADLINES = {
  0: "It is upright",
  270: "Its top is on the right",
  180: "It is upside down",
  90: "Its top is on the left",
};
const GUESSES = {
  0: "It may be upright",
  270: "Its top may be on the right",
  180: "It may be upside down",
  90: "Its top may be on the left",
};
const MENDED_BY = {
  0: "There is nothing to do.",
  270: "A quarter turn counter-clockwise makes it upright.",
  180: "Half a turn makes it upright.",
  90: "A quarter turn clockwise makes it upright.",
};
const UNSURE = "Too unsure to turn it: a wrong turn is worse than none, so it stays as it is.";

/** Everything that was answered, model by model. */
export function answered(models, answer) {
  const parts = models.map((model) => {
    const prediction = answer.results[model.name]?.predictions[0];
    if (!prediction) return null;
    if (kindOf(model) === "orientation") return orientation(models, answer.results);
    return kindOf(model) === "gauge" ? gauge(model, prediction) : bars(model, prediction);
  });
  return [...parts, facts(models, answer)];
}

/** One line for those who listen, and for a thumbnail's name. */
export function spoken(models, results) {
  const verdict = verdictOf(models, results);
  const others = models.filter((model) => kindOf(model) !== "orientation" && results[model.name]);
  const said = others.map((model) => {
    const { label, probability, certain } = results[model.name].predictions[0];
    return `${words(label)}, ${percent(probability, 0)}${certain ? "" : ", not certain"}`;
  });
  if (verdict) said.unshift(`${headline(verdict)}, ${percent(verdict.probability, 0)}`);
  return said.join("; ");
}

const headline = ({ turn, certain }) => (certain ? HEADLINES : GUESSES)[turn];

function orientation(models, results) {
  const verdict = verdictOf(models, results);
  return h(
    "section",
    { class: "answer" },
    h("p", { class: "headline" }, headline(verdict)),
    h("p", { class: "sure" }, h("strong", {}, percent(verdict.probability)), certainty(verdict.certain)),
    h("p", { class: "note" }, verdict.certain ? MENDED_BY[verdict.turn] : UNSURE),
    whyUnsure(orientationOf(models), results[orientationOf(models).name].predictions[0]),
  );
}

/** "100 %" beside "Not certain" needs a word: how sure it must be, or that nobody knows yet. */
function whyUnsure({ labels }, { label, certain }) {
  if (certain) return null;
  const from = labels.find(({ name }) => name === label)?.certain_from;
  const never = "This answer is never certain: too few photos have shown how often the model is right about it.";
  return h("p", { class: "note why" }, from == null ? never : `It would be certain from ${percent(from)} on.`);
}

const certainty = (certain) =>
  certain ? h("span", { class: "pill sure" }, "Certain") : h("span", { class: "pill unsure" }, "Not certain");

/** A half circle that fills up with the second label's probability; a tick stands where the answer changes. */
function gauge(model, prediction) {
  const [, positive] = model.labels;
  const share = prediction.probabilities[positive.name];
  const from = model.decision_threshold ?? 0.5;
  const drawing = s(
    "svg",
    { viewBox: "0 0 120 70", class: "dial", "aria-hidden": "true" },
    s("path", { class: "track", d: "M12 62 A48 48 0 0 1 108 62", pathLength: 100 }),
    share > 0.004 &&
      s("path", {
        class: "fill",
        d: "M12 62 A48 48 0 0 1 108 62",
        pathLength: 100,
        "stroke-dasharray": `${share * 100} 200`,
      }),
    s("line", { class: "tick", x1: 3, x2: 21, y1: 62, y2: 62, transform: `rotate(${from * 180} 60 62)` }),
    s("text", { x: 60, y: 60, "text-anchor": "middle" }, percent(share, 0)),
  );
  const meter = {
    role: "meter",
    "aria-label": title(positive.name),
    "aria-valuemin": 0,
    "aria-valuemax": 100,
    "aria-valuenow": Math.round(share * 100),
  };
  const said = h("div", {}, h("p", { class: "label" }, title(prediction.label)), certainty(prediction.certain));
  const tick = h("p", { class: "note" }, `“${words(positive.name)}” from ${percent(from, 0)} on`);
  said.append(tick, whyUnsure(model, prediction) ?? "");
  return h("section", { class: "answer gauge" }, h("div", meter, drawing), said);
}

function bars(model, prediction) {
  const likeliest = Object.entries(prediction.probabilities).sort(([, one], [, other]) => other - one);
  const rows = likeliest.map(([label, share]) =>
    h(
      "li",
      { class: label === prediction.label ? "chosen" : null },
      h("span", {}, words(label)),
      h("span", { class: "bar", "aria-hidden": "true" }, style(h("i"), { "--share": share })),
      h("span", { class: "figure" }, percent(share)),
    ),
  );
  const head = h("p", { class: "label" }, title(model.name), " ", certainty(prediction.certain));
  return h("section", { class: "answer" }, head, h("ol", { class: "bars" }, rows), whyUnsure(model, prediction));
}

function facts(models, { results, ms, steps }) {
  const rows = models
    .filter(({ name }) => results[name])
    .map(({ name, provider }) => {
      const { version } = results[name];
      return h(
        "tr",
        {},
        h("th", { scope: "row" }, name),
        h("td", {}, `version ${version}`),
        h("td", {}, shortProvider(provider)),
      );
    });
  const taken = Object.entries(steps).map(([step, stepMs]) => `${step} ${stepMs.toFixed(1)}`);
  const inside = taken.length ? `; in the server: ${taken.join(", ")} ms` : "";
  return h(
    "section",
    { class: "facts" },
    h("table", {}, h("caption", {}, "Answered by"), h("tbody", {}, rows)),
    h("p", {}, h("strong", { class: "latency" }, `${Math.round(ms)} ms`), ` there and back${inside}`),
  );
}
