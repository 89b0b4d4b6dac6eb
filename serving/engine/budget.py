"""Budget: a bounded amount of something that all requests share, such as bytes held or images in the house."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Self

from models.errors import QueueFullError, RequestTooLargeError


@dataclass(slots=True)
class Caller:
    """Whose request is being answered.

    Attributes:
        name: a key or an address.
        held: what this one request holds, by unit.
        admitted: whether it has been let in; it is not turned away half-way then.
    """

    name: str
    admitted: bool = False
    held: dict[str, int] = field(default_factory=dict)


caller: ContextVar[Caller | None] = ContextVar("caller", default=None)
"""None for the command line, which is bounded by the whole alone."""


class Budget:
    """Counts what is taken; for one thread, the event loop's.

    Attributes:
        limit: how much there is.
        taken: how much of it is held now.
    """

    def __init__(self, limit: int, unit: str, caller_percent: float = 100) -> None:
        """Begins with nothing taken.

        Args:
            limit: how much there is.
            unit: of what; for the errors' sentences.
            caller_percent: how much of it one caller may hold with all his requests; one alone may take all.
        """
        self.limit = limit
        self.unit = unit
        self.taken = 0
        self._part = limit * caller_percent / 100
        self._callers = dict[str, int]()

    def lease(self) -> "Lease":
        """What one request takes of it; all of that is given back at the end of a ``with``."""
        return Lease(self)

    def refuse_if_full(self, amount: int = 1) -> None:
        """Tells before anything is taken that there would be no room.

        Raises:
            QueueFullError: not now.
        """
        if self.taken + amount > self.limit:
            raise QueueFullError(f"the service is full: it holds {self.taken} of {self.limit} {self.unit}; try again")
        if (whose := caller.get()) is None:
            return
        held = self._callers.get(whose.name, 0)
        if not held or held + amount <= self._part:
            return
        if others := held - whose.held.get(self.unit, 0):
            raise QueueFullError(
                f"other requests of this caller hold {others} {self.unit} already, "
                f"and one caller may hold {self._part:.0f}; try again"
            )

    def take(self, whose: Caller, amount: int, leased: int = 0) -> None:
        """Takes for a request that has ``leased`` already.

        Raises:
            QueueFullError: it is beyond the limit now, or beyond the caller's part.
            RequestTooLargeError: no wait would ever help.
        """
        if leased + amount > self.limit:
            raise RequestTooLargeError(f"the request needs more than the {self.limit} {self.unit} that there are")
        self.refuse_if_full(amount)
        self._note(whose, amount)

    def give_back(self, whose: Caller, amount: int) -> None:
        """Gives back of what was taken."""
        self._note(whose, -amount)

    def _note(self, whose: Caller, amount: int) -> None:
        self.taken += amount
        whose.held[self.unit] = whose.held.get(self.unit, 0) + amount
        if held := self._callers.get(whose.name, 0) + amount:
            self._callers[whose.name] = held
        else:
            self._callers.pop(whose.name, None)


class Lease:
    """Called with an amount, takes it; an amount below nought is given back at once.

    No generator under ``contextmanager``, as each request has several, and those cost four times as much.
    """

    __slots__ = ("_budget", "_leased", "_whose")

    def __init__(self, budget: Budget) -> None:
        self._budget, self._leased, self._whose = budget, 0, caller.get() or Caller("")

    def __enter__(self) -> Self:
        """Nothing is taken yet."""
        return self

    def __call__(self, amount: int) -> None:
        """Takes.

        Raises:
            QueueFullError: it is beyond the limit now, or beyond the caller's part.
            RequestTooLargeError: no wait would ever help.
        """
        if amount > 0:
            self._budget.take(self._whose, amount, self._leased)
        else:
            self._budget.give_back(self._whose, -amount)
        self._leased += amount

    def __exit__(self, *_: object) -> None:
        """Gives back."""
        self._budget.give_back(self._whose, self._leased)
