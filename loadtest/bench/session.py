"""One run of the bench: what is to be measured, and the figures that come of it."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest.bench import peers
from loadtest.bench.cases import FLOOR, LOUPE, Case, Network, networks, request, write_photos
from loadtest.bench.folders import folders
from loadtest.bench.measuring import Bench, Measurement, Running, running_floor
from loadtest.bench.report import Row, summary
from loadtest.bench.start import Start, starting
from loadtest.processes import Cores, own_cores, server

_SETTINGS = {
    "LOUPE_VERSIONS": "all",
    "LOUPE_MAX_CALLER_PERCENT": "100",
    "LOUPE_MAX_HELD_BYTES": str(2 << 30),
}  # nobody is refused: 128 clients with 12 megapixels hold 400 MB
_WARM_UP_S, _LONGER = 0.2, 1.6  # a case takes longer than its seconds, as those who have asked are answered


@dataclass(frozen=True)
class Plan:
    """What is to be measured.

    Attributes:
        cases: each with its floor.
        start: whether starts are.
        folders: whether the commands on folders are.
        rounds: how often.
        seconds: of each case.
    """

    cases: Sequence[Case]
    start: bool
    folders: bool
    rounds: int
    seconds: float

    @property
    def expected_s(self) -> float:
        """About how long it takes, on cores of 2026."""
        round_s = len(self.cases) * self.seconds * _LONGER + 25 * self.folders + 8 * self.start
        return 30 + round_s * self.rounds

    @property
    def photos(self) -> set[str]:
        """Those that are needed."""
        return {case.photo for case in self.cases} | ({"small", "large"} if self.start else set())

    @property
    def servers(self) -> list[str]:
        """All but Loupe and the floor that are needed."""
        return list(dict.fromkeys(case.server for case in self.cases if case.server not in (FLOOR, LOUPE)))


@dataclass(frozen=True)
class Figures:
    """What was measured; what was not is empty."""

    rows: Mapping[Case, Row]
    start: Start | None
    folders: Mapping[str, Mapping[str, float]]


def measure(plan: Plan, models: Path, room: Path) -> Figures:
    """Measures what the plan says, in that folder.

    Args:
        plan: what.
        models: folder with versions of ``orientation`` and ``selfie``.
        room: an empty folder.
    """
    photos, known = write_photos(room, plan.photos), networks(models)
    with own_cores() as cores:
        rows = _rows(plan, known, photos, cores, room)
        start = _start(plan.rounds, known["shipped"], photos, cores) if plan.start else None
    folded = folders(plan.rounds, known["shipped"].files[0], room) if plan.folders else {}
    return Figures(rows, start, folded)


def _rows(
    plan: Plan, known: Mapping[str, Network], photos: Mapping[str, Path], cores: Cores, room: Path
) -> dict[Case, Row]:
    if not plan.cases:
        return {}
    with _bench(plan, known, photos, cores, room) as bench:
        for case in plan.cases:
            bench.measure(case, min(_WARM_UP_S, plan.seconds))
        return summary([_round(bench, plan, number) for number in range(plan.rounds)])


@contextmanager
def _bench(
    plan: Plan, known: Mapping[str, Network], photos: Mapping[str, Path], cores: Cores, room: Path
) -> Iterator[Bench]:
    orders = {
        case: {
            "photo": str(photos[case.photo]),
            "models": [str(path) for path in known[case.network].files],
            "tensor": case.form == "tensor",
        }
        for case in plan.cases
        if case.server == FLOOR
    }
    ours = {case: request(case, known[case.network], photos[case.photo]) for case in plan.cases if case.server == LOUPE}
    theirs = {name: [case for case in plan.cases if case.server == name] for name in plan.servers}
    with ExitStack() as stack:
        floor = stack.enter_context(running_floor(orders, cores))
        url, pid = stack.enter_context(server(cores=cores, settings=_SETTINGS))
        others = stack.enter_context(peers.running(theirs, known, photos, cores, room))
        yield Bench(floor, {LOUPE: Running(url, pid, ours), **others}, plan.seconds)


def _round(bench: Bench, plan: Plan, number: int) -> dict[Case, Measurement]:
    started = time.monotonic()
    measured = {case: bench.measure(case) for case in plan.cases}
    calm = sum(one.calm for one in measured.values())
    sys.stderr.write(
        f"round {number + 1} of {plan.rounds}: {len(measured)} cases in {time.monotonic() - started:.0f} s, "
        f"{calm} of them undisturbed\n"
    )
    return measured


def _start(times: int, shipped: Network, photos: Mapping[str, Path], cores: Cores) -> Start:
    large = photos["large"]
    raw, dear = (request(Case("shipped", "large", 1, form), shipped, large) for form in ("raw", "base64"))
    return starting(times, cores, photos["small"], raw, dear)
