// openapi-fetch with types that openapi-typescript made: argv is the service's address and the photo's base64.
import createClient from "openapi-fetch";
import type { paths } from "./api.js";

const [baseUrl, b64] = process.argv.slice(2);
const loupe = createClient<paths>({ baseUrl });
const body = { instances: [{ b64 }] };

const ready = await loupe.GET("/health/ready");
const metadata = await loupe.GET("/v1/models/{model}/metadata", { params: { path: { model: "orientation" } } });
const rows = await loupe.POST("/v1/models/{model}:predict", { params: { path: { model: "orientation" } }, body });
const unknown = await loupe.POST("/v1/models/{model}:predict", { params: { path: { model: "nope" } }, body });

console.log(
  JSON.stringify({
    ready: ready.data?.ready,
    metadata: metadata.response.status,
    predictions: rows.data,
    error: unknown.error?.error_type,
  }),
);
