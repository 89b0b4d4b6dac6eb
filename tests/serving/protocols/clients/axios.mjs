// axios, as its documentation uploads a file: argv is the service's address and the photo's path.
import axios from "axios";
import { createReadStream, readFileSync } from "node:fs";

const [address, photo] = process.argv.slice(2);
const loupe = axios.create({ baseURL: address, validateStatus: null });
const url = "/v1/models/orientation:predict";
const png = { headers: { "Content-Type": "image/png" } };

const head = await loupe.head("/health/ready");
const answers = {
  bytes: await loupe.post(url, readFileSync(photo), png),
  form: await loupe.postForm(url, { image: createReadStream(photo) }),
  array: await loupe.postForm(url, { image: [createReadStream(photo)] }),
  chunked: await loupe.post(url, createReadStream(photo), png),
};
const wrong = await loupe.post(url, "no image", png);
const told = { health: head.status, wrong: { status: wrong.status, ...wrong.data } };
for (const [way, { data }] of Object.entries(answers)) told[way] = data.predictions;
console.log(JSON.stringify(told));
