// Node's own fetch, as its documentation posts a file: argv is the service's address and the photo's path.
import { openAsBlob, readFileSync } from "node:fs";

const [address, photo] = process.argv.slice(2);
const url = `${address}/v1/models/orientation:predict`;
const image = await openAsBlob(photo, { type: "image/png" });
const form = new FormData();
form.append("image", image, "photo.png");
const stream = image.stream(); // of unknown length: chunked

const answers = {
  health: await fetch(`${address}/health/ready`, { method: "HEAD" }),
  bytes: await fetch(url, { method: "POST", body: image }),
  form: await fetch(url, { method: "POST", body: form }),
  text: await fetch(url, { method: "POST", body: JSON.stringify({ image: readFileSync(photo, "base64") }) }),
  chunked: await fetch(url, { method: "POST", body: stream, duplex: "half" }),
  wrong: await fetch(url, { method: "POST", body: "no image", headers: { "Content-Type": "image/png" } }),
};
const told = { health: answers.health.status, wrong: { status: answers.wrong.status, ...(await answers.wrong.json()) } };
for (const way of ["bytes", "form", "text", "chunked"]) told[way] = (await answers[way].json()).predictions;
console.log(JSON.stringify(told));
