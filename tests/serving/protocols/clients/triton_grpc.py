"""Asks a server through the unmodified tritonclient.grpc: stdin {"grpc", "photos", "pixels"} → stdout, all as JSON."""

import asyncio
import json
import sys
from base64 import b64decode

import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_asyncio

given = json.load(sys.stdin)
photos = np.array([b64decode(photo) for photo in given["photos"]], np.object_)
pixels = np.array(given["pixels"], np.uint8)


def image(data: np.ndarray) -> triton.InferInput:
    datatype = "BYTES" if data.dtype == np.object_ else "UINT8"
    return triton.InferInput("image", list(data.shape), datatype).set_data_from_numpy(data)


def ask(data: np.ndarray, count: int = 0, **options) -> triton.InferResult:
    output = triton.InferRequestedOutput("probabilities", class_count=count)
    return client.infer("orientation", [image(data)], outputs=[output], **options)


def floats(result: triton.InferResult) -> list[float]:
    return result.as_numpy("probabilities").astype(float).ravel().tolist()


def refusal(model: str, **options) -> dict[str, str]:
    try:
        client.infer(model, [image(options.pop("data", photos))], **options)
    except triton.InferenceServerException as error:
        return {"status": error.status(), "message": error.message()}
    return {}


def come_and_go() -> dict[str, object]:
    token = {"authorization": f"Bearer {given['token']}"}
    try:
        client.unload_model("selfie")
    except triton.InferenceServerException as error:
        refused = error.status()
    client.unload_model("selfie", headers=token)
    index = client.get_model_repository_index(as_json=True)["models"]
    states = [entry["state"] for entry in index if entry["name"] == "selfie"]
    client.load_model("selfie", headers=token)
    return {"refused": refused, "states": states, "back": client.is_model_ready("selfie")}


async def at_once() -> list[list[float]]:
    async with triton_asyncio.InferenceServerClient(given["grpc"]) as asynchronous:
        calls = [asynchronous.infer("orientation", [image(photos)]) for _ in range(8)]
        return [floats(result) for result in await asyncio.gather(*calls)]


def statistics() -> dict:
    return client.get_inference_statistics("orientation", "1", as_json=True)["model_stats"][0]


def not_offered() -> dict[str, tuple[str, str]]:
    told = {}
    for name in ("get_log_settings", "get_trace_settings", "get_system_shared_memory_status"):
        try:
            told[name] = (str(getattr(client, name)()), "")
        except triton.InferenceServerException as error:
            told[name] = (error.status(), error.message())
    return told


def shared_memory() -> str:
    there = triton.InferInput("image", [1], "BYTES")
    there.set_shared_memory("region", 100)
    try:
        client.infer("orientation", [there])
    except triton.InferenceServerException as error:
        return error.message()
    return ""


with triton.InferenceServerClient(given["grpc"]) as client:
    before = statistics()
    client.infer("orientation", [image(photos)])
    after = statistics()
    answer = ask(photos, request_id="42")
    print(
        json.dumps(
            {
                "live": client.is_server_live(),
                "ready": client.is_server_ready(),
                "version_ready": client.is_model_ready("orientation", "1"),
                "server": client.get_server_metadata(as_json=True),
                "model": client.get_model_metadata("orientation", as_json=True),
                "config": client.get_model_config("orientation", as_json=True),
                "statistics": [before, after],
                "all_statistics": client.get_inference_statistics(as_json=True)["model_stats"],
                "not_offered": not_offered(),
                "gone_is_ready": client.is_model_ready("nope"),
                "shared_memory": shared_memory(),
                "repository": come_and_go(),
                "id": answer.get_response().id,
                "by_photo": {
                    "named output": floats(answer),
                    "no outputs named": floats(client.infer("orientation", [image(photos)])),
                    "column": floats(ask(photos.reshape(-1, 1))),
                    "version": floats(ask(photos, model_version="1")),
                    "gzip": floats(ask(photos, compression_algorithm="gzip")),
                    "deadline": floats(ask(photos, client_timeout=20)),
                }
                | {f"asyncio {number}": one for number, one in enumerate(asyncio.run(at_once()))},
                "by_pixels": {"raw": floats(ask(pixels))},
                "classes": [text.decode() for text in ask(photos, count=2).as_numpy("probabilities").flat],
                "refusals": {
                    "no such model": refusal("nope"),
                    "no such version": refusal("orientation", model_version="9"),
                    "bad image": refusal("orientation", data=np.array([b"no image"], np.object_)),
                    "too late": refusal("orientation", timeout=1),
                    "not offered": refusal("orientation", data=np.zeros((1, 8, 8, 3), np.uint8)),
                },
            }
        )
    )
