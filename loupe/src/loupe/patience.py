"""How long to wait for an answer, and before asking again."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import uniform
from time import monotonic

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0


@dataclass
class Patience:
    """Of one call: its pauses and attempts all count against one deadline.

    Attributes:
        timeout_s: seconds for the call as a whole.
        retries: how often it is asked again at most.
    """

    timeout_s: float
    retries: int
    _began: float = field(default_factory=monotonic)
    _asked_again: int = 0

    @property
    def left_s(self) -> float:
        """Seconds until the deadline."""
        return self.timeout_s - (monotonic() - self._began)

    def pause_s(self, retry_after: str | None = None) -> float | None:
        """Seconds until the next attempt; None where none is left or the deadline would pass before.

        Args:
            retry_after: that header, of the answer.
        """
        asked_for = _seconds(retry_after)
        # A different time for each caller, as those who were turned away together should not come back together.
        pause = self._backoff_s() if asked_for is None else asked_for * uniform(1, 1.5)  # noqa: S311 - no secret
        if self._asked_again == self.retries or pause >= self.left_s:
            return None
        self._asked_again += 1
        return pause

    def _backoff_s(self) -> float:
        return min(_FIRST_PAUSE_S * 2.0**self._asked_again, _LONGEST_PAUSE_S) * uniform(0.5, 1)  # noqa: S311 - no secret


def _seconds(retry_after: str | None) -> float | None:
    """Loupe says seconds; a proxy may say a date."""
    if retry_after is None:
        return None
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
