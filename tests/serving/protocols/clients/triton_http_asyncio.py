"""The same through tritonclient.http.aio, all calls at once: stdin {"http", "photos", "pixels"} → stdout, as JSON."""

import asyncio
import json
import sys
from base64 import b64decode

import numpy as np
import tritonclient.http.aio as triton

given = json.load(sys.stdin)
photos = np.array([b64decode(photo) for photo in given["photos"]], np.object_)
base64 = np.array(given["photos"], np.object_)
pixels = np.array(given["pixels"], np.uint8)


async def ask(client: triton.InferenceServerClient, data: np.ndarray, binary: bool) -> list[float]:
    datatype = "BYTES" if data.dtype == np.object_ else "UINT8"
    image = triton.InferInput("image", list(data.shape), datatype).set_data_from_numpy(data, binary_data=binary)
    output = triton.InferRequestedOutput("probabilities", binary_data=binary)
    result = await client.infer("orientation", [image], outputs=[output])
    return result.as_numpy("probabilities").astype(float).ravel().tolist()


async def main() -> None:
    async with triton.InferenceServerClient(given["http"]) as client:
        forms = [(photos, True), (base64, False), (pixels, True), (pixels, False)]
        answers = await asyncio.gather(*(ask(client, data, binary) for data, binary in forms * 4))
        told = {
            "live": await client.is_server_live(),
            "ready": await client.is_model_ready("orientation", "1"),
            "model": await client.get_model_metadata("orientation"),
            "index": await client.get_model_repository_index(),
        }
    by_photo = [answer for (data, _), answer in zip(forms * 4, answers, strict=True) if data is not pixels]
    by_pixels = [answer for (data, _), answer in zip(forms * 4, answers, strict=True) if data is pixels]
    print(json.dumps({**told, "by_photo": by_photo, "by_pixels": by_pixels}))


asyncio.run(main())
