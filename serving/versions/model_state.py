"""What becomes of a version, as those who ask about models are told."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ModelState:
    """What became of one version on disk or in memory, and why, unless it is READY."""

    name: str
    version: str
    state: Literal["READY", "LOADING", "UNLOADING", "UNAVAILABLE"]
    reason: str = ""
