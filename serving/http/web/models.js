/** What the page makes of a model: a compass, a gauge, or bars. It knows no model by name, only by its labels. */

/** Degrees clockwise that make a picture upright → the side of it that is up. */
export const SIDES = { 0: "up", 270: "right", 180: "down", 90: "left" };

const turnOf = (label) => label.attributes.rotate_clockwise;

/** "orientation" if its labels say how to turn, "gauge" for two labels, else "bars". */
export function kindOf(model) {
  if (model.labels.every((label) => turnOf(label) in SIDES)) return "orientation";
  return model.labels.length === 2 ? "gauge" : "bars";
}

/** The compass first, then gauges, then bars. */
export function inOrder(models) {
  const order = ["orientation", "gauge", "bars"];
  return [...models].sort((one, other) => order.indexOf(kindOf(one)) - order.indexOf(kindOf(other)));
}

/** The models to ask: those that answer by default, or all if none does. */
export function askedOf(models) {
  const byDefault = models.filter((model) => model.default);
  return byDefault.length ? byDefault : models;
}

/** The first model that tells which side is up, if there is one. */
export const orientationOf = (models) => models.find((model) => kindOf(model) === "orientation");

/** Probability of each side being up: {up: 0.1, right: 0.8, …}. */
export function sharesOf(model, prediction) {
  const pairs = model.labels.map((label) => [SIDES[turnOf(label)], prediction.probabilities[label.name] ?? 0]);
  return Object.fromEntries(pairs);
}

/** What orientation says of a photo: {side, turn, probability, certain}; null if it was not asked or failed. */
export function verdictOf(models, results) {
  const model = orientationOf(models);
  const prediction = model && results?.[model.name]?.predictions[0];
  if (!prediction) return null;
  const turn = prediction.attributes.rotate_clockwise;
  return { turn, side: SIDES[turn], probability: prediction.probability, certain: prediction.certain };
}

/** Two-label models whose second label was answered, such as "selfie". */
export function positivesOf(models, results) {
  const gauges = models.filter((model) => kindOf(model) === "gauge" && results?.[model.name]);
  const found = gauges.map((model) => [model.labels[1].name, results[model.name].predictions[0]]);
  return found.filter(([name, prediction]) => prediction.label === name).map(([name]) => name);
}

/** CPUExecutionProvider → CPU. */
export const shortProvider = (provider) => provider.replaceAll("ExecutionProvider", "").replace("Tensorrt", "TensorRT");
