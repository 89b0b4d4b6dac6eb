"""Task: a function of a photo's bytes that knows no state, so that a thread or another process may call it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from models.cost import Cost


class Made(NamedTuple):
    """What a task gives: buffers of bytes or numbers, and a few plain facts about them."""

    parts: Sequence[Any]
    facts: Sequence[Any] = ()


class Task(NamedTuple):
    """One call.

    Attributes:
        call: a function of a module, by whose name another process finds it.
        data: an encoded photo, its first argument.
        arguments: the others; they can be pickled.
        cost: what the call takes.
        cpu_s: seconds of a core after which it is ended, where it has a process of its own.
    """

    call: Callable[..., Made]
    data: bytes
    arguments: tuple[Any, ...]
    cost: Cost
    cpu_s: float

    def run(self) -> Made:
        """Calls it here."""
        return self.call(self.data, *self.arguments)
