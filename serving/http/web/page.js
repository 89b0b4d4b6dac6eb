/** The page: joins photos, camera, models and the server to what a person sees. */

import { asides } from "./asides.js";
import { Camera, liveAllowed } from "./camera.js";
import { card } from "./cards.js";
import { Connection } from "./connection.js";
import { announce, byId, count, h } from "./dom.js";
import { Downloads } from "./downloads.js";
import { isTurned } from "./file_kind.js";
import { Gallery } from "./gallery.js";
import { intake } from "./intake.js";
import { askForKey } from "./key_dialog.js";
import { askedOf, inOrder, orientationOf, sharesOf, shortProvider, verdictOf } from "./models.js";
import { Photos } from "./photos.js";
import { models as loadModels, predict, version as loadVersion } from "./server.js";
import { Stage } from "./stage.js";
import { Trouble } from "./trouble.js";
import { answered, spoken } from "./verdict.js";

const SAY_AGAIN_MS = 3000; // a camera's answers change faster than anybody can listen

const KEEPS_CORRECTED = "Photos go to this server alone, and it keeps none but those whose answer you correct.";

const connection = new Connection(askForKey);
const trouble = new Trouble(connection);
const stage = new Stage();
let models = [];
let offers = {};
let loading = null;

async function ask(photo, signal) {
  await (loading ?? learn());
  const answer = await askModels(photo, signal).catch(async (error) => {
    if (error.status !== 404) throw error;
    await learn(); // a model has been unloaded since
    return askModels(photo, signal);
  });
  if (isNews(answer.results)) learn();
  return answer;
}

function askModels(photo, signal) {
  const names = askedOf(models).map(({ name }) => name);
  return connection.patiently(() => predict(names, photo, signal), signal);
}

const photos = new Photos(ask);
const camera = new Camera(ask);
const gallery = new Gallery(photos);
new Downloads(gallery, (photo) => verdictOf(models, photo.answer?.results), connection);

/** A server may load other versions while the page is open. */
const isNews = (results) => models.some(({ name, version }) => results[name] && results[name].version !== version);

/** Asks what is loaded; if that fails it is asked once more when something is wanted. */
function learn() {
  loading = Promise.all([loadModels, loadVersion].map((load) => connection.patiently(load))).then(introduce);
  loading.catch((error) => {
    loading = null;
    trouble.say(sentence(error.message));
  });
  return loading;
}

function introduce([loaded, { service, onnxruntime, provider, offers: offered }]) {
  offers = offered;
  models = inOrder(loaded);
  gallery.models = models;
  byId("service").textContent = `runs on ${shortProvider(provider)}`;
  byId("service").title = `ONNX Runtime ${onnxruntime}, ${provider}`;
  byId("version").textContent =
    `Loupe ${service.version} (${service.git_revision.slice(0, 7)}), ONNX Runtime ${onnxruntime} on ${provider}`;
  byId("cards").replaceChildren(...models.map(card));
  if (offers.feedback_photos) byId("privacy").textContent = KEEPS_CORRECTED;
  document.body.classList.toggle("no-compass", !orientationOf(models));
}

function show(photo) {
  if (camera.on) camera.stop();
  gallery.select(photo);
  stage.photo(photo);
  byId("intro").hidden = Boolean(photo);
  byId("answer").hidden = !photo;
  byId("name").textContent = photo?.path ?? "";
  for (const id of ["privacy", "legend"]) byId(id).hidden = Boolean(photo);
  byId("remove").hidden = !photo;
  render(photo);
}

function render(photo) {
  const verdict = verdictOf(models, photo?.answer?.results);
  const proposed = Boolean(verdict?.certain && verdict.turn);
  byId("upright").hidden = !(proposed && isTurned(photo.kind));
  byId("view").hidden = !verdict;
  byId("asides").replaceChildren(...(photo?.answer ? asides(photo, models, offers, connection) : []));
  if (!photo) return;
  const waiting = connection.state === "ready" ? "Looking …" : "Waiting for the server …";
  tell(photo.answer, photo.error ? sentence(photo.error) : waiting, Boolean(photo.error));
  if (proposed && !isTurned(photo.kind)) byId("verdict").append(h("p", { class: "note" }, leftAlone(photo.kind)));
}

const leftAlone = (kind) => `${kind.replace(/^a/, "A")} files are not turned.`;

/** Puts an answer on the stage and into the panel. */
function tell(answer, instead, failed = false) {
  const model = orientationOf(models);
  const prediction = model && answer?.results[model.name]?.predictions[0];
  stage.answer(prediction ? sharesOf(model, prediction) : null, verdictOf(models, answer?.results));
  const verdict = byId("verdict");
  verdict.classList.toggle("failed", failed);
  verdict.replaceChildren(...(answer ? answered(models, answer).filter(Boolean) : [instead]));
}

const sentence = (text) => text.replace(/^./, (first) => first.toUpperCase()).replace(/[^.!?]$/, "$&.");

function take(files) {
  connection.begin();
  trouble.clear();
  const [first] = photos.add(files);
  if (first) show(first);
}

async function live() {
  if (!liveAllowed()) return byId("capture").click();
  trouble.clear();
  connection.begin();
  show(null);
  if (!(await camera.start())) return;
  stage.camera();
  byId("intro").hidden = true;
  byId("answer").hidden = false;
  byId("name").textContent = "Camera";
  tell(null, "Looking …");
  liveControls(true);
  announce("The camera is on");
}

function liveControls(on) {
  for (const id of ["shutter", "stop", "rate"]) byId(id).hidden = !on;
  byId("change-camera").hidden = !on || !camera.several;
  for (const id of ["camera", "choose"]) byId(id).hidden = on;
  if (on) byId("upright").hidden = byId("remove").hidden = byId("privacy").hidden = byId("legend").hidden = true;
  refreshed();
}

let saidAt = 0;
let said = "";

function seen({ answer, perSecond }) {
  tell(answer);
  byId("view").hidden = !orientationOf(models);
  byId("rate").textContent = `${perSecond.toFixed(1)} answers a second`;
  const now = spoken(models, answer.results).replace(/, [^,;]*%/g, "");
  if (now === said || performance.now() - saidAt < SAY_AGAIN_MS) return;
  [said, saidAt] = [now, performance.now()];
  announce(now);
}

function changed(photo) {
  if (photo === gallery.selected) render(photo);
  if (photos.list.some(({ state }) => state === "waiting")) return;
  const failed = photos.list.filter(({ state }) => state === "failed").length;
  if (photos.list.length === 1) return announce(photo.error ?? spoken(models, photo.answer.results));
  announce(`${count(photos.list.length, "photo")} answered${failed ? `, ${failed} failed` : ""}`);
}

function refreshed() {
  byId("gallery").hidden = photos.list.length < (camera.on ? 1 : 2);
  for (const id of ["previous", "next"]) byId(id).hidden = camera.on || gallery.shown.length < 2;
  byId("again").hidden = !photos.list.some(({ state }) => state === "failed");
}

intake(take);
for (const id of ["choose", "drop"]) byId(id).addEventListener("click", () => byId("chooser").click());
byId("camera").addEventListener("click", live);
byId("stop").addEventListener("click", () => camera.stop());
byId("change-camera").addEventListener("click", () => camera.change());
byId("shutter").addEventListener("click", async () => photos.add([await camera.photo()]));
byId("view").addEventListener("change", ({ target }) => {
  stage.turned = target.value === "turned";
  byId("thumbnails").classList.toggle("turned", target.value === "turned");
});
byId("previous").addEventListener("click", () => gallery.step(-1));
byId("next").addEventListener("click", () => gallery.step(1));
byId("remove").addEventListener("click", () => photos.remove(gallery.selected));
byId("clear").addEventListener("click", () => [...photos.list].reverse().forEach((photo) => photos.remove(photo)));
byId("again").addEventListener("click", () => {
  connection.begin();
  photos.retry();
});
connection.addEventListener(
  "change",
  () => gallery.selected?.state === "waiting" && !camera.on && render(gallery.selected),
);
photos.addEventListener("changed", ({ detail }) => changed(detail));
gallery.addEventListener("select", ({ detail }) => show(detail));
gallery.addEventListener("remove", ({ detail }) => photos.remove(detail));
gallery.addEventListener("refresh", refreshed);
camera.addEventListener("answer", ({ detail }) => seen(detail));
camera.addEventListener("trouble", ({ detail }) => trouble.say(sentence(detail)));
camera.addEventListener("stopped", () => {
  liveControls(false);
  show(gallery.selected ?? photos.list.at(-1) ?? null);
});
byId("camera-note").hidden = liveAllowed();
learn();
