"""From pictures a second to replicas, dollars a year, and whatever ends first."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from loadtest.capacity.queueing import Service, most_load

INPUTS = Path(__file__).with_name("inputs.toml")
RATES = tuple(10**power for power in range(7))
_HOURS_A_YEAR = 8766
_SIZES = ("small", "medium", "large")


@dataclass(frozen=True)
class Kind:
    """A machine that one replica has for itself.

    Attributes:
        name: for people.
        cores: that decode and infer.
        dollars_an_hour: its price.
    """

    name: str
    cores: int
    dollars_an_hour: float


@dataclass(frozen=True)
class Fleet:
    """Replicas of one kind that answer so many pictures a second in time.

    Attributes:
        rate: pictures a second.
        kind: of each.
        replicas: how many, the spare ones included.
        load: the share of their cores that is busy while none has failed.
        dollars_a_year: of all.
    """

    rate: float
    kind: Kind
    replicas: int
    load: float
    dollars_a_year: float


@dataclass(frozen=True)
class Inputs:
    """What ``inputs.toml`` says.

    Attributes:
        service: how long one core works on a picture.
        picture_bytes: of a picture, on average.
        target_s: within which 99 of 100 are answered.
        spare: replicas that may fail.
        most_load: of a replica's cores that work.
        kinds: machines that may be rented.
        limits: where other things end.
    """

    service: Service
    picture_bytes: float
    target_s: float
    spare: int
    most_load: float
    kinds: tuple[Kind, ...]
    limits: Mapping[str, float]


def read(path: Path = INPUTS, bench: Path | None = None, p99_ms: float = 0) -> Inputs:
    """Reads the inputs.

    Args:
        path: of the file.
        bench: output of the bench that tells what a picture costs; none: the file does.
        p99_ms: in place of the file's target, if it is not 0.

    Raises:
        KeyError: something is missing.
    """
    document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    cost = document["cost"] if bench is None else _costs(json.loads(bench.read_text(encoding="utf-8")))
    shares = tuple(float(document["mix"][size]) for size in _SIZES)
    return Inputs(
        Service(tuple(cost[size] / 1000 for size in _SIZES), shares),
        sum(share * document["bytes"][size] for share, size in zip(shares, _SIZES, strict=True)),
        (p99_ms or document["target"]["p99_ms"]) / 1000,
        int(document["target"]["spare"]),
        float(document["target"]["most_load"]),
        tuple(Kind(one["name"], int(one["cores"]), float(one["dollars_an_hour"])) for one in document["kind"]),
        {name: float(value) for name, value in document["limits"].items()},
    )


def _costs(figures: Mapping[str, Any]) -> dict[str, float]:
    """Of the shipped network, 8 clients."""
    wanted = {"network": "shipped", "clients": 8, "form": "raw", "server": "loupe"}
    return {
        case["photo"]: float(case["cpu_ms"])
        for case in figures["cases"]
        if all(case[key] == value for key, value in wanted.items())
    }


def fleet(rate: float, kind: Kind, inputs: Inputs) -> Fleet | None:
    """The smallest fleet of one kind that holds the target with its spare ones gone; none: no size of it does."""
    bearable = inputs.most_load * kind.cores / inputs.service.mean_s
    each = min(bearable, most_load(kind.cores, inputs.service, inputs.target_s))
    if each == 0:
        return None
    replicas = ceil(rate / each * (1 - 1e-9)) + inputs.spare  # a whole number is not rounded up for its last bit
    load = rate * inputs.service.mean_s / (replicas * kind.cores)
    return Fleet(rate, kind, replicas, load, replicas * kind.dollars_an_hour * _HOURS_A_YEAR)


def cheapest(rate: float, inputs: Inputs) -> Fleet:
    """Of all kinds.

    Raises:
        ValueError: no machine is fast enough for the target.
    """
    found = [one for kind in inputs.kinds if (one := fleet(rate, kind, inputs)) is not None]
    if not found:
        slowest = max(inputs.service.seconds)
        raise ValueError(
            f"a picture takes up to {slowest * 1000:.0f} ms, and the target is {inputs.target_s * 1000:.0f}"
        )
    return min(found, key=lambda one: one.dollars_a_year)


def strains(found: Fleet, inputs: Inputs) -> dict[str, float]:
    """How much of one of each other thing is needed, such as 0.2 of a load balancer or 16 of them; most first."""
    limits, pictures = inputs.limits, found.rate
    needs = {
        "load balancer": pictures * inputs.picture_bytes * 8 / 1e9 / limits["balancer_gbit_s"],
        "metrics": found.replicas * limits["series_a_replica"] / limits["metrics_series"],
        "logs": pictures * limits["log_bytes"] / 1e6 / limits["log_mb_s"],
        "object store": found.replicas * limits["model_mb"] * 8 / 1e3 / limits["rollout_s"] / limits["store_gbit_s"],
        "orchestrator": found.replicas / limits["orchestrator_pods"],
        "model roll-out": found.replicas * limits["replica_start_s"] / limits["rollout_s"] / limits["starts_at_once"],
    }
    return dict(sorted(needs.items(), key=lambda one: -one[1]))


def markdown(inputs: Inputs) -> str:
    """A table, a line for each power of ten."""
    head = [
        "| pictures/s | ingress | replicas | busy | dollars a year | what ends first, and how many of it |",
        "|---:|---:|---:|---:|---:|---|",
    ]
    return "\n".join(head + [_line(cheapest(rate, inputs), inputs) for rate in RATES])


def _line(found: Fleet, inputs: Inputs) -> str:
    gbit = found.rate * inputs.picture_bytes * 8 / 1e9
    named = ", ".join(f"{name} {_number(need)}" for name, need in list(strains(found, inputs).items())[:3])
    return (
        f"| {found.rate:,.0f} | {_number(gbit)} Gbit/s | {found.replicas:,} of {found.kind.name} | {found.load:.0%} "
        f"| {found.dollars_a_year:,.0f} | {named} |"
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
