"""``python -m loadtest.on_ray``: what a request costs through Ray Serve, beside plain Loupe, in alternating rounds.

``make on-ray`` runs it where Ray is installed, in a network of its own. Both have one core, one thread and one replica,
HAProxy is before Ray's; the clients have the other cores. The talk's network is
asked, as one that costs more leaves little of what Ray adds.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from loadtest.arrivals import Arrivals, Request
from loadtest.bench.cases import PHOTOS
from loadtest.photos import encoded
from loadtest.processes import RAY, Cores, below, listening, own_cores, own_cpu_s, server

_CONFIG = Path(__file__).parents[1] / "deploy/kuberay/serve_config.yaml"
_READY, _START_S = "/health/ready", 300
_PORT = 8000  # Ray's proxies listen where the configuration says
_SETTINGS = {"LOUPE_THREADS": "1", "LOUPE_MAX_WAIT_S": "60", "LOUPE_LOG_LEVEL": "warning"}
_SERVE = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "60",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
}
_PARTS = {"replica": b"ServeReplica", "HAProxy": b"haproxy"}


class Round(dict[str, float]):
    """CPU milliseconds a request: of the whole ``tree``, and of those of ``_PARTS`` that there are."""


def asked(url: str, pid: int, request: Request, clients: int, seconds: float) -> Round:
    """Asks for some seconds.

    Raises:
        RuntimeError: an answer was not 200.
    """
    before = {child: own_cpu_s(child) for child in (pid, *below(pid))}
    arrivals = Arrivals(url, request)
    asyncio.run(arrivals.ask_again(clients, seconds))
    if set(arrivals.statuses) != {"200"}:
        raise RuntimeError(f"{url} answered {dict(arrivals.statuses)}")
    spent = {child: own_cpu_s(child) - before.get(child, 0) for child in (pid, *below(pid))}
    parts = {"tree": list(spent)} | {name: _with(words, pid) for name, words in _PARTS.items()}
    answers = len(arrivals.accepted_s)
    return Round(
        {name: 1000 * sum(spent.get(child, 0) for child in pids) / answers for name, pids in parts.items() if pids}
    )


def _with(words: bytes, pid: int) -> list[int]:
    return [child for child in below(pid) if words in Path(f"/proc/{child}/cmdline").read_bytes()]


@contextmanager
def on_ray(folder: Path, cores: Cores, settings: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Runs the shipped configuration with one replica on a cluster of its own; yields its URL and process id."""
    import yaml  # type: ignore[import-untyped]  # it comes with Ray

    config = yaml.safe_load(_CONFIG.read_text(encoding="utf-8"))
    [deployment] = config["applications"][0]["deployments"]
    deployment["ray_actor_options"] = {"num_cpus": 1}
    deployment["autoscaling_config"] |= {"min_replicas": 1, "max_replicas": 1}
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    command = [str(Path(sys.executable).with_name("serve")), "run", str(folder / "config.yaml")]
    with ExitStack() as stack:
        yield _begun(stack, command, cores, {**RAY, **_SERVE, **settings}, folder / "log")


def _begun(
    stack: ExitStack, command: list[str], cores: Cores, settings: Mapping[str, str], log: Path
) -> tuple[str, int]:
    """Ray gives a node 30 s to begin, whatever it is told; where cores are shared it may take another try."""
    for _ in range(2):
        with suppress(RuntimeError):
            return stack.enter_context(listening(command, cores, settings, _READY, log, port=_PORT, start_s=_START_S))
    return stack.enter_context(listening(command, cores, settings, _READY, log, port=_PORT, start_s=_START_S))


def table(plain: list[Round], ray: list[Round]) -> str:
    """Medians, and how they stand to plain Loupe's."""
    alone = median(one["tree"] for one in plain)
    lines = ["| | CPU ms a request | of plain Loupe's |", "|---|---:|---:|", f"| plain Loupe | {alone:.2f} | 1 |"]
    for name in ("replica", "HAProxy", "tree"):
        spent = median(one[name] for one in ray)
        lines.append(f"| Ray Serve, {name} | {spent:.2f} | {spent / alone:.2f} |")
    return "\n".join(lines)


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Of each, in turns.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.5, help="Of a round.")] = 4,
    clients: Annotated[int, typer.Option(min=1)] = 8,
    photo: Annotated[str, typer.Option(help="small, medium or large.")] = "small",
    model: Annotated[str, typer.Option(help="Name and version.")] = "orientation/1",
) -> None:
    """Prints CPU a request of plain Loupe and of Ray Serve, and the ratios."""
    size, kind = PHOTOS[photo]
    name, _, version = model.partition("/")
    settings = _SETTINGS | {"LOUPE_VERSIONS": f"{name}={version}"}
    with (
        tempfile.TemporaryDirectory() as folder,
        own_cores() as cores,
        server(60, cores, settings) as plain,
        on_ray(Path(folder), cores, settings) as ray,
    ):
        request = Request(f"/v1/models/{name}:predict", encoded(size, 1, kind))
        for one in (plain, ray):
            asked(*one, request, clients, 1)  # warm
        turns = [[asked(*one, request, clients, seconds) for one in (plain, ray)] for _ in range(rounds)]
    typer.echo(f"{model}, {photo} photos, {clients} clients")
    typer.echo(table(*map(list, zip(*turns, strict=True))))


if __name__ == "__main__":
    os.environ.setdefault("LOUPE_MODELS", "models")
    typer.run(main)
