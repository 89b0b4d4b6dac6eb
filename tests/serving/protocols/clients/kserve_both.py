"""Asks a server through KServe's own clients: stdin {"http", "grpc", "photos", "pixels"} → stdout, all as JSON.

A process of its own, as kserve and tritonclient.grpc register the same protobuf names.
"""

import asyncio
import json
import sys
from base64 import b64decode

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig

given = json.load(sys.stdin)
photos = np.array([b64decode(photo) for photo in given["photos"]], np.object_)
pixels = np.array(given["pixels"], np.uint8)
url = "http://" + given["http"]


def request(data, *, binary: bool) -> InferRequest:
    """``data``: an array, or a list of base64."""
    if isinstance(data, list):
        image = InferInput("image", [len(data)], "BYTES", data=data)
    else:
        image = InferInput("image", list(data.shape), "BYTES" if data.dtype == np.object_ else "UINT8")
        image.set_data_from_numpy(data, binary_data=binary)
    return InferRequest("orientation", [image], request_id="42")


def floats(response) -> list[float]:
    return response.outputs[0].as_numpy().astype(float).ravel().tolist()


async def rest() -> dict[str, object]:
    async with InferenceRESTClient(RESTConfig(protocol="v2", verify=False)) as client:

        async def ask(data, *, binary: bool) -> list[float]:
            return floats(await client.infer(url, request(data, binary=binary), model_name="orientation"))

        return {
            "live": await client.is_server_live(url),
            "ready": await client.is_server_ready(url),
            "model_ready": [await client.is_model_ready(url, name) for name in ("orientation", "nope")],
            "id": (await client.infer(url, request(photos, binary=True), model_name="orientation")).id,
            "by_photo": [await ask(photos, binary=True), await ask(given["photos"], binary=False)],
            "by_pixels": [await ask(pixels, binary=True), await ask(pixels, binary=False)],
        }


async def rpc() -> dict[str, object]:
    async with InferenceGRPCClient(given["grpc"]) as client:
        return {
            "live": await client.is_server_live(),
            "ready": await client.is_server_ready(),
            "model_ready": await client.is_model_ready("orientation"),
            "by_photo": [floats(await client.infer(request(photos, binary=True)))],
            "by_pixels": [floats(await client.infer(request(pixels, binary=binary))) for binary in (True, False)],
        }


async def main() -> None:
    print(json.dumps({"rest": await rest(), "grpc": await rpc()}))


asyncio.run(main())
