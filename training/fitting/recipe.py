"""A recipe: one TOML file that says all there is to say about one experiment."""

import tomllib
from pathlib import Path
from typing import Any, Literal, Self

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.errors import TrainingError
from models.metadata import Name
from models.preprocessing import Preprocessing
from models.wrong_value import wrong_value
from training.photos.augmentation import Augmentation
from training.photos.tasks import task_named
from training.photos.written import read_text


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Architecture(_Frozen):
    """The network.

    Attributes:
        name: a key of ``architectures.ARCHITECTURES``.
        dropout: share of units dropped before the last layer.
        weights: to start from: ``none``, ``imagenet``, the ``best.weights.h5`` of an earlier run of the same network,
            or an ``.onnx`` that was exported from it, or a cascade that it is a stage of (layers that do not fit, such
            as the last one of another task, start afresh). Several are averaged:
            where one run went on from the other, the mean of both often generalises better than either.
        frozen_blocks: the stem and so many blocks of an EfficientNet-Lite keep their weights; 0 lets all learn.
    """

    name: str
    dropout: float = Field(0.5, ge=0, lt=1)
    weights: str | tuple[str, ...] = "none"
    frozen_blocks: int = Field(0, ge=0)


class Fit(_Frozen):
    """How the weights are found.

    Attributes:
        epochs: at most; one shows every training photo once (where labels are made by turning: in one random turn).
            0 takes the weights that it starts from as they are, such as the mean of several.
        patience: epochs without a better validation accuracy after which training stops.
        schedule: ``cosine`` lets the learning rate fall to zero over all epochs.
        warmup_epochs: over which the learning rate rises from zero; for ``cosine`` only.
        balanced: draws labels evenly, and within one its sources by the square root of their size.
        weight_decay: above zero, Adam becomes AdamW.
        dtype_policy: Keras' name; ``mixed_bfloat16`` is 2-4 times faster for plain convolutions where the CPU has it.
    """

    epochs: int = Field(ge=0)
    batch_size: int = Field(64, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_epochs: float = Field(0.0, ge=0)
    weight_decay: float = Field(0.0, ge=0)
    balanced: bool = False
    patience: int = Field(10, ge=1)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    dtype_policy: Literal["float32", "mixed_bfloat16"] = "float32"
    seed: int = 1


class Auxiliary(_Frozen):
    """What the network learns beside its labels, and does not tell in service.

    Attributes:
        points: a file of points in photos; see ``photos.points``. Of photos that it does not list nothing is learned.
        weight: of what is wrong about them, beside what is wrong about the labels.
    """

    points: str
    weight: float = Field(1.0, gt=0)


class Export(_Frozen):
    """How the network becomes a file.

    Attributes:
        turns: quarter turns of a picture that the file averages over, where labels are made by turning; so many times
            as slow. See ``turning.averaged_over_turns``.
    """

    turns: Literal[1, 2, 4] = 1


class Range(_Frozen):
    """Numbers that a search draws from: whole ones if both ends are; ``log``: evenly by order of magnitude."""

    low: int | float
    high: int | float
    log: bool = False


class Recipe(_Frozen):
    """One experiment.

    Attributes:
        name: of the model, and of its folder in the repository.
        task: see ``tasks.task_named``.
        limits: what users of the model must know before they trust it; for its card.
        default: whether ``/v1/predict`` asks the model when the caller names none.
        decision_threshold: for two labels; see ``ModelMetadata``.
        search: by section and key, what ``loupe-train search`` tries: a list of values, or a ``Range``.
    """

    name: Name
    task: str
    description: str
    limits: str = ""
    default: bool = True
    decision_threshold: float | None = Field(None, ge=0, le=1)
    input: Preprocessing
    architecture: Architecture
    fit: Fit
    augmentation: Augmentation = Augmentation()
    auxiliary: Auxiliary | None = None
    export: Export = Export()
    search: dict[str, dict[str, Range | tuple[str | bool | int | float, ...]]] = {}

    @model_validator(mode="after")
    def _turns_into_itself(self) -> Self:
        turning = task_named(self.task).made_by == "turning"
        if turning and self.input.height != self.input.width:
            raise ValueError(f"the input is {self.input.height} x {self.input.width}; what is turned must be square")
        if not turning and self.export.turns > 1:
            raise ValueError(f"export.turns is {self.export.turns}; only labels made by turning can be averaged")
        return self

    @model_validator(mode="after")
    def _takes_any_size(self) -> Self:
        if self.augmentation.to_size and not self.takes_any_size:
            raise ValueError(f"augmentation.to_size is for networks that take any size, not {self.architecture.name}")
        return self

    @model_validator(mode="after")
    def _finds_points(self) -> Self:
        if self.auxiliary and (not self.takes_any_size or task_named(self.task).made_by == "turning"):
            raise ValueError("auxiliary.points are for EfficientNet-Lite networks, and for labels that folders make")
        if self.auxiliary and self.input.fit != "squeeze":
            raise ValueError("auxiliary.points are places in whole photos, which input.fit = 'squeeze' shows")
        return self

    @model_validator(mode="after")
    def _learns_or_takes(self) -> Self:
        if not self.fit.epochs and self.architecture.weights == "none":
            raise ValueError("fit.epochs is 0, which takes weights as they are, and architecture.weights names none")
        return self

    @property
    def takes_any_size(self) -> bool:
        """Whether the network's weights fit pictures of any size."""
        return self.architecture.name.startswith("efficientnet_lite")

    @property
    def training_input(self) -> Preprocessing:
        """How training photos are cached: as the input, but of the size that crops are cut from."""
        side = self.augmentation.from_size
        return self.input.model_copy(update={"height": side, "width": side}) if side else self.input

    @property
    def training_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the pictures that the network learns from."""
        side = self.augmentation.to_size
        return (side, side, self.input.channels) if side else self.input.shape

    @property
    def points(self) -> Path | None:
        """A file of points to learn beside the labels."""
        return Path(self.auxiliary.points) if self.auxiliary else None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a TOML file.

        Raises:
            TrainingError: it is missing or no TOML, or a key is unknown or out of its bounds; the first one is named.
        """
        try:
            document: dict[str, Any] = tomllib.loads(read_text(path))
        except FileNotFoundError:
            raise TrainingError(f"there is no recipe {path}") from None
        except tomllib.TOMLDecodeError as error:
            raise TrainingError(f"the recipe {path} is not TOML: {error}") from None
        return cls.checked(document, str(path))

    @classmethod
    def checked(cls, document: dict[str, Any], name: str) -> Self:
        """Makes a recipe of what a TOML file holds; ``name`` is said if it is wrong.

        Raises:
            TrainingError: a key is unknown or out of its bounds; the first one is named.
        """
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise TrainingError(f"the recipe {name} is wrong {wrong_value(error)}") from None

    def to_toml(self) -> str:
        """The text of a file that ``read`` makes this recipe of."""
        unused = set() if self.search else {"search"}  # so that a table can be appended
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True, exclude=unused))
