"""Score: what the models said of one file, as a document and as rows."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from models.errors import ImageTooLargeError, LoupeError

if TYPE_CHECKING:  # whoever reads and writes rows needs no ONNX Runtime
    from serving.engine.classifier import Prediction

COLUMNS = ("file", "model", "version", "label", "probability", "certain", "probabilities", "attributes", "error")

Row = dict[str, object]
"""One model's answer for one file, by ``COLUMNS``; or, without a model, why there is none."""


@dataclass(frozen=True)
class Score:
    """One file's.

    Attributes:
        file: as it was named, or found.
        answer: a prediction of each model by its name, or why there is none.
        versions: of the models.
    """

    file: str
    answer: "dict[str, Prediction] | LoupeError | OSError"
    versions: Mapping[str, str]

    @property
    def failed(self) -> bool:
        """Whether there is no answer."""
        return isinstance(self.answer, Exception)

    def to_json(self) -> dict[str, object]:
        """A line of JSON; predictions are as in the server's answers."""
        if isinstance(self.answer, Exception):
            return {"file": self.file, "error": reason(self.answer), "error_type": type(self.answer).__name__}
        results = {name: asdict(prediction) for name, prediction in self.answer.items()}
        return {"file": self.file, "results": results, "versions": dict(self.versions)}

    def rows(self) -> Iterator[Row]:
        """A row for each model, with all ``COLUMNS``; what is no number or text is JSON."""
        nothing = dict.fromkeys(COLUMNS)
        if isinstance(self.answer, Exception):
            yield {**nothing, "file": self.file, "error": reason(self.answer)}
            return
        for name, one in self.answer.items():
            documents = {"probabilities": json.dumps(one.probabilities), "attributes": json.dumps(one.attributes)}
            facts = {"label": one.label, "probability": one.probability, "certain": one.certain}
            yield {**nothing, "file": self.file, "model": name, "version": self.versions[name], **facts, **documents}


def reason(error: LoupeError | OSError) -> str:
    """Why a file failed, without repeating its name, and which setting would change that."""
    if isinstance(error, ImageTooLargeError) and error.limit is not None:
        return f"{error}; LOUPE_MAX_IMAGE_{error.limit.upper()} allows more"
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
