"""Workers: the machines that learn together, and which of them this one is."""

from dataclasses import dataclass
from typing import NamedTuple, Self

from models.errors import TrainingError

_FORM = "--workers is a list such as 10.0.0.1:9000,10.0.0.2:9000"


class Address(NamedTuple):
    """Where a worker can be reached."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads ``host:port`` or ``[host]:port``.

        Raises:
            TrainingError: it is neither.
        """
        host, _, port = text.strip().rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise TrainingError(f"{text.strip()!r} is no host:port; {_FORM}")
        return cls(host.removeprefix("[").removesuffix("]"), int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Workers:
    """All of them, in an order that all know.

    Attributes:
        addresses: the first one's is where the others report.
        number: of this one, from 0.
    """

    addresses: tuple[Address, ...]
    number: int

    @classmethod
    def parse(cls, text: str, number: int | None) -> Self:
        """Reads what ``--workers`` and ``--worker`` say.

        Raises:
            TrainingError: an address is wrong or there twice, there are fewer than two, or no such number.
        """
        addresses = tuple(map(Address.parse, text.split(",")))
        if len(addresses) < 2 or len(set(addresses)) < len(addresses):
            raise TrainingError(f"{text!r} are not several workers; {_FORM}")
        if number is None or not 0 <= number < len(addresses):
            given = "is missing" if number is None else f"is {number}"
            raise TrainingError(f"--worker {given}; it says which of the list this one is: 0 to {len(addresses) - 1}")
        return cls(addresses, number)

    @property
    def first(self) -> bool:
        """Whether this is the one where the others report, and where the model is made."""
        return self.number == 0

    def told(self, number: int) -> str:
        """A worker, as messages name it."""
        return f"worker {number} ({self.addresses[number]})"
