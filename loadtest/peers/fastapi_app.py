"""A FastAPI app as blogs write it: a file of a form, Pillow, a session, a dictionary. The session has one thread."""

import os
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import FastAPI, File, UploadFile

from loadtest.work import Work, whole

app = FastAPI()
work = Work(Path(os.environ["MODEL"]))


@app.post("/predict")
def predict(file: Annotated[UploadFile, File()]) -> dict[str, list[float]]:
    """Answers one photo."""
    probabilities = work.run(work.pixels(whole(file.file.read())))[0]
    return {"probabilities": [float(one) for one in probabilities]}


@app.get("/ready")
def ready() -> dict[str, str]:
    """Whether it runs."""
    return {"status": "ok"}


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["PORT"]), log_level="warning")
