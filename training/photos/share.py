"""A part of every batch, for one of several processes that learn together."""

from dataclasses import dataclass

from models.errors import TrainingError


@dataclass(frozen=True)
class Share:
    """Which of how many equal parts."""

    number: int = 0
    of: int = 1

    def within(self, count: int) -> slice:
        """Its place in a batch.

        Raises:
            TrainingError: a batch of ``count`` has no such equal parts.
        """
        if count % self.of:
            raise TrainingError(f"a batch of {count} cannot be shared evenly by {self.of} workers")
        each = count // self.of
        return slice(self.number * each, (self.number + 1) * each)


WHOLE = Share()
"""What a process takes that learns alone."""
