"""What we want to be true, in ratios and differences of one run, and what was measured."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from loadtest.bench.cases import LOUPE, STARLETTE, Case
from loadtest.bench.report import Row
from loadtest.bench.start import Start

_MANY = (8, 32, 128)
_PRODUCTS = ("fastapi", "litserve", "bentoml", "mlserver", "triton")
_SIZES = ("small", "medium", "large")

Rows = Mapping[Case, Row]


@dataclass(frozen=True)
class Target:
    """One of them.

    Attributes:
        what: is measured.
        got: the figure.
        allowed: the most that it may be.
        unit: of both.
    """

    what: str
    got: float
    allowed: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether it is."""
        return self.got <= self.allowed

    def __str__(self) -> str:
        """A line for people."""
        return f"{'met ' if self.met else 'MISSED'} {self.what}: {self.got:.2f} {self.unit}, at most {self.allowed:.2f}"


def targets(rows: Rows, start: Start | None, folders: Mapping[str, Mapping[str, float]]) -> list[Target]:
    """Those for which something was measured."""
    return [
        *_work(rows),
        *_forms(rows),
        *_latency(rows),
        *_loop(rows),
        *_peers(rows),
        *_start(start),
        *_folders(folders),
    ]


def _work(rows: Rows) -> Iterator[Target]:
    for photo in _SIZES:
        many = 1.06 if photo == "small" else 1.04
        for clients in (1, *_MANY):
            case = Case("talk", photo, clients)
            if case in rows:
                allowed = 1.12 if clients == 1 else many
                yield Target(f"the talk's network, {photo}, {_clients(clients)}", rows[case].ratio, allowed, "x floor")
    for photo in _SIZES:
        for clients in (1, *_MANY):
            case = Case("shipped", photo, clients)
            if case in rows:
                allowed = 1.0 if clients == 1 else 0.4
                yield Target(
                    f"the shipped int8, {photo}, {_clients(clients)}", rows[case].added_ms, allowed, "ms added"
                )


def _forms(rows: Rows) -> Iterator[Target]:
    for form in ("multipart", "base64", "bytes"):
        case = Case("talk", "small", 8, form)
        if case in rows:
            yield Target(f"{form}, 8 clients", rows[case].ratio, 1.10, "x floor")
    ours, theirs = (Case("talk", "small", 8, "tensor", server) for server in (LOUPE, STARLETTE))
    if ours in rows and theirs in rows:
        ratio = rows[ours].cpu_ms / rows[theirs].cpu_ms
        yield Target("a ready tensor, 8 clients", ratio, 1.0, "x the Starlette app")
    both = Case("both", "small", 8)
    if both in rows:
        yield Target("two models, one photo, 8 clients", rows[both].ratio, 1.06, "x decode and both sessions")


def _latency(rows: Rows) -> Iterator[Target]:
    for network in ("talk", "shipped"):
        alone = Case(network, "small", 1)
        if alone in rows:
            added = rows[alone].p50_ms - rows[alone.floor].p50_ms
            yield Target(f"{network}, small, one client's median", added, 0.5, "ms above the floor's")
        for photo in _SIZES:
            for clients in _MANY:
                case = Case(network, photo, clients)
                if case in rows:
                    allowed = 1.5 if clients == 8 else 1.1
                    yield Target(f"{network}, {photo}, {_clients(clients)}", rows[case].tail, allowed, "x p50 is p99")


def _loop(rows: Rows) -> Iterator[Target]:
    for clients in (1, 32):
        case = Case("least", "tiny", clients)
        if case in rows:
            cost = rows[case].loop_ms
            yield Target(f"the loop's own cost, {_clients(clients)}", cost, 0.25, f"ms ({1000 / cost:,.0f} a second)")


def _peers(rows: Rows) -> Iterator[Target]:
    for row in rows.values():
        case = row.case
        ours = Case(case.network, case.photo, case.clients)
        if case.server in _PRODUCTS and case.form == "raw" and ours in rows:
            ratio = rows[ours].cpu_ms / row.cpu_ms
            yield Target(f"{case.photo}, {_clients(case.clients)}", ratio, 1.0, f"x {case.server}")


def _start(start: Start | None) -> Iterator[Target]:
    if start is not None:
        yield Target("start to the first answer", start.answer_cpu_s, 1.2, "s of CPU")
        yield Target("loupe --help", start.help_cpu_s, 0.35, "s of CPU")
        yield Target("idle", start.idle_mb, 150, "MB resident")
        yield Target("32 clients with 12 megapixels", start.busy_mb, 300, "MB resident at most")
        beside = f"/health/live beside base64 of 12 megapixels, p99, {start.others:.1f} cores busy with others"
        yield Target(beside, start.live_p99_ms, 5, "ms")


def _folders(folders: Mapping[str, Mapping[str, float]]) -> Iterator[Target]:
    for name, figures in folders.items():
        for command in ("predict", "upright"):
            yield Target(
                f"loupe {command}, a folder of {name} photos", figures[f"{command}_ratio"], 1.1, "x a plain loop"
            )


def _clients(clients: int) -> str:
    return "one client" if clients == 1 else f"{clients} clients"
