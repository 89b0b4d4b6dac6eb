"""Asks a server through the unmodified tritonclient.http: stdin {"http", "photos", "pixels"} → stdout, all as JSON."""

import json
import sys
from base64 import b64decode

import numpy as np
import tritonclient.http as triton

given = json.load(sys.stdin)
photos = np.array([b64decode(photo) for photo in given["photos"]], np.object_)
base64 = np.array(given["photos"], np.object_)
pixels = np.array(given["pixels"], np.uint8)


def image(data: np.ndarray, *, binary: bool) -> triton.InferInput:
    datatype = "BYTES" if data.dtype == np.object_ else "UINT8"
    return triton.InferInput("image", list(data.shape), datatype).set_data_from_numpy(data, binary_data=binary)


def ask(data: np.ndarray, *, binary_in: bool = True, binary_out: bool = True, count: int = 0, **options):
    output = triton.InferRequestedOutput("probabilities", binary_data=binary_out, class_count=count)
    return client.infer("orientation", [image(data, binary=binary_in)], outputs=[output], **options)


def values(result: triton.InferResult) -> list:
    return [value.decode() if isinstance(value, bytes) else value for value in result.as_numpy("probabilities").flat]


def floats(result: triton.InferResult) -> list[float]:
    return result.as_numpy("probabilities").astype(float).ravel().tolist()


def refusal(model: str, **options) -> dict[str, str]:
    try:
        client.infer(model, [image(options.pop("data", photos), binary=True)], **options)
    except triton.InferenceServerException as error:
        return {"status": error.status(), "message": error.message()}
    return {}


def come_and_go() -> dict[str, object]:
    token = {"Authorization": f"Bearer {given['token']}"}
    try:
        client.unload_model("selfie")
    except triton.InferenceServerException as error:
        refused = error.status()
    client.unload_model("selfie", headers=token)
    gone = client.is_model_ready("selfie")
    states = [entry["state"] for entry in client.get_model_repository_index() if entry["name"] == "selfie"]
    client.load_model("selfie", headers=token)
    return {"refused": refused, "gone": gone, "states": states, "back": client.is_model_ready("selfie")}


def statistics() -> dict:
    return client.get_inference_statistics("orientation", "1")["model_stats"][0]


def not_offered() -> dict[str, str]:
    told = {}
    for name in ("get_log_settings", "get_trace_settings", "get_system_shared_memory_status"):
        try:
            told[name] = str(getattr(client, name)())
        except triton.InferenceServerException as error:
            told[name] = error.message()
    return told


with triton.InferenceServerClient(given["http"]) as client:
    before = statistics()
    client.infer("orientation", [image(photos, binary=True)])
    after = statistics()
    answer = ask(photos, request_id="42")
    print(
        json.dumps(
            {
                "live": client.is_server_live(),
                "ready": client.is_server_ready(),
                "model_ready": client.is_model_ready("orientation"),
                "version_ready": [client.is_model_ready("orientation", version) for version in ("1", "2")],
                "server": client.get_server_metadata(),
                "model": client.get_model_metadata("orientation"),
                "version": client.get_model_metadata("orientation", "1"),
                "config": client.get_model_config("orientation"),
                "statistics": [before, after],
                "all_statistics": client.get_inference_statistics()["model_stats"],
                "not_offered": not_offered(),
                "index": client.get_model_repository_index(),
                "repository": come_and_go(),
                "id": answer.get_response()["id"],
                "by_photo": {
                    "binary": floats(answer),
                    "binary to JSON": floats(ask(photos, binary_out=False)),
                    "JSON": floats(ask(base64, binary_in=False, binary_out=False)),
                    "JSON to binary": floats(ask(base64, binary_in=False)),
                    "column": floats(ask(photos.reshape(-1, 1))),
                    "no outputs named": floats(client.infer("orientation", [image(photos, binary=True)])),
                    "version": floats(ask(photos, model_version="1")),
                    "gzip": floats(ask(photos, request_compression_algorithm="gzip")),
                    "deflate": floats(ask(photos, request_compression_algorithm="deflate")),
                    "answer may be gzip": floats(ask(photos, response_compression_algorithm="gzip")),
                    "asynchronous": floats(
                        client.async_infer("orientation", [image(photos, binary=True)]).get_result()
                    ),
                    "timeout": floats(ask(photos, timeout=20_000_000)),
                },
                "by_pixels": {
                    "binary": floats(ask(pixels)),
                    "JSON": floats(ask(pixels, binary_in=False, binary_out=False)),
                },
                "classes": {
                    "binary": values(ask(photos, count=2)),
                    "JSON": values(ask(photos, binary_out=False, count=2)),
                },
                "refusals": {
                    "no such model": refusal("nope"),
                    "no such version": refusal("orientation", model_version="9"),
                    "bad image": refusal("orientation", data=np.array([b"no image"], np.object_)),
                    "too late": refusal("orientation", timeout=1),
                },
            }
        )
    )
