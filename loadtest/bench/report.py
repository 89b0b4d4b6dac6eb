"""Medians over the rounds, and tables for people."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from loadtest.bench.cases import FLOOR, Case
from loadtest.bench.measuring import Measurement

Rounds = Sequence[Mapping[Case, Measurement]]


@dataclass(frozen=True)
class Row:
    """One case over all rounds, in medians.

    Attributes:
        case: what was measured.
        cpu_ms: CPU milliseconds a photo.
        ratio: to the floor's in the same round.
        added_ms: to the floor's.
        loop_ms: of the first thread, the event loop.
        per_s: photos a second.
        p50_ms: median latency.
        p99_ms: 99th percentile.
        tail: p99 / p50.
        refused: requests in all rounds that were not answered.
        calm: rounds in which nobody disturbed it or its floor; if there were any, only they count.
    """

    case: Case
    cpu_ms: float
    ratio: float
    added_ms: float
    loop_ms: float
    per_s: float
    p50_ms: float
    p99_ms: float
    tail: float
    refused: int
    calm: int

    def to_json(self) -> dict[str, object]:
        """One flat document."""
        numbers = asdict(self)
        case: dict[str, object] = numbers.pop("case")
        return case | {key: round(value, 3) for key, value in numbers.items()}


def summary(rounds: Rounds) -> dict[Case, Row]:
    """Medians of what all rounds measured."""
    return {case: _row(case, rounds) for case in rounds[0]}


def _row(case: Case, rounds: Rounds) -> Row:
    calm = [one for one in rounds if one[case].calm and one[case.floor].calm]
    counted = calm or rounds

    def middle(value: Callable[[Measurement, Measurement], float]) -> float:
        return median(value(one[case], one[case.floor]) for one in counted)

    return Row(
        case=case,
        cpu_ms=middle(lambda own, _: own.cpu_ms),
        ratio=middle(lambda own, floor: own.cpu_ms / floor.cpu_ms),
        added_ms=middle(lambda own, floor: own.cpu_ms - floor.cpu_ms),
        loop_ms=middle(lambda own, _: own.loop_ms),
        per_s=middle(lambda own, _: own.per_s),
        p50_ms=middle(lambda own, _: own.p50_ms),
        p99_ms=middle(lambda own, _: own.p99_ms),
        tail=middle(lambda own, _: own.p99_ms / own.p50_ms),
        refused=sum(one[case].refused for one in rounds),
        calm=len(calm),
    )


def table(rows: Mapping[Case, Row], rounds: int) -> str:
    """A line for each case; a star where every round was disturbed."""
    head = (
        f"{'network':>8} {'photo':>7} {'form':>9} {'server':>10} {'clients':>7} {'CPU ms':>8} {'x floor':>7} "
        f"{'+ ms':>6} {'loop ms':>7} {'/s':>7} {'p50 ms':>8} {'p99 ms':>8} {'calm':>5}"
    )
    told = [head, *(_line(row, rounds) for row in rows.values())]
    if not all(row.calm for row in rows.values()):
        told.append("* others disturbed every round: its latencies say nothing, its CPU time little")
    return "\n".join(told)


def _line(row: Row, rounds: int) -> str:
    case = row.case
    floor = case.server == FLOOR
    return (
        f"{case.network:>8} {case.photo:>7} {case.form:>9} {case.server:>10} {'' if floor else case.clients:>7} "
        f"{row.cpu_ms:>8.2f} {row.ratio:>7.2f} {row.added_ms:>6.2f} {'' if floor else f'{row.loop_ms:.2f}':>7} "
        f"{row.per_s:>7.1f} {row.p50_ms:>8.1f} {'' if floor else f'{row.p99_ms:.1f}':>8} "
        f"{row.calm:>3}/{rounds}{'' if row.calm else ' *'}{f' {row.refused} refused' if row.refused else ''}"
    )
