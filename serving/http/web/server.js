/** Speaks to the Loupe that served this page, wherever a proxy has put it. */

const ROOT = new URL("../", import.meta.url); // this file is web/server.js below it
const KEY = "loupe-api-key";
const MOST_LABELS = 5; // of a model that has hundreds, nobody reads more

/** The server understood, and said no in one sentence. */
export class Refused extends Error {
  constructor(status, sentence, retryAfterS = 1) {
    super(sentence);
    this.status = status;
    this.retryAfterS = retryAfterS;
  }
}

/** Nothing came back. */
export class Unreachable extends Error {}

/** The key that the server asks for; gone when the tab is closed. */
export const key = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
};

/** Whether anybody answers there. */
export const alive = () =>
  call("health/live", { signal: AbortSignal.timeout(5000) }).then(
    () => true,
    () => false,
  );

/** What is loaded: the facts that each model's file holds, under the names and providers of GET /v1/models. */
export async function models() {
  const { models: loaded } = await json(call("v1/models"));
  return Promise.all(
    loaded.map(async (model) => {
      const { metadata } = await json(call(`v1/models/${encodeURIComponent(model.name)}/metadata`));
      return { ...metadata.loupe, version: model.version, provider: model.provider };
    }),
  );
}

/** Which Loupe this is. */
export const version = () => json(call("version"));

/** Asks models about one photo; `ms` is how long that took, `steps` what the server says of it. */
export async function predict(names, photo, signal) {
  const started = performance.now();
  const asked = new URLSearchParams({ models: names.join(","), top_k: MOST_LABELS });
  const response = await call(`v1/predict?${asked}`, post(photo, signal));
  const { results } = await response.json();
  const ms = performance.now() - started;
  return { results, ms, steps: steps(response.headers.get("Server-Timing")) };
}

/** The same photo, upright; `turned` in degrees clockwise, 0 if it came back as it was. */
export async function upright(photo, signal) {
  const response = await call("v1/upright", post(photo, signal));
  return { photo: await response.blob(), turned: Number(response.headers.get("Loupe-Rotated-Clockwise")) };
}

/** A picture of what a model's answer hangs on. */
export async function explain(name, photo, signal) {
  const asked = post(photo, signal);
  const headers = { ...asked.headers, Accept: "image/png" };
  const response = await call(`v1/models/${encodeURIComponent(name)}:explain`, { ...asked, headers });
  return response.blob();
}

/** Says which label is right. */
export async function correct(name, photo, label, signal) {
  const asked = new URLSearchParams({ label });
  await call(`v1/models/${encodeURIComponent(name)}:feedback?${asked}`, post(photo, signal));
}

const post = (body, signal) => ({
  method: "POST",
  body,
  signal,
  headers: { "Content-Type": "application/octet-stream" },
});

const json = async (calling) => (await calling).json();

async function call(path, options = {}) {
  const headers = { ...options.headers, ...(key.get() && { "X-API-Key": key.get() }) };
  let response;
  try {
    response = await fetch(new URL(path, ROOT), { cache: "no-store", ...options, headers });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Unreachable("the server does not answer");
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response) {
  const said = await response.json().catch(() => ({})); // a proxy in between may say it in HTML
  const sentence = said.error ?? `the server answered ${response.status} ${response.statusText}`.trim();
  return new Refused(response.status, sentence, Number(response.headers.get("Retry-After")) || undefined);
}

/** "decode;dur=3.1, inference;dur=2.04" → {decode: 3.1, inference: 2.04} */
function steps(header) {
  const pairs = [...(header ?? "").matchAll(/(\w+);dur=([\d.]+)/g)];
  return Object.fromEntries(pairs.map(([, step, ms]) => [step, Number(ms)]));
}
