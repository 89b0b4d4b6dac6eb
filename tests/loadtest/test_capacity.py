import asyncio
import json
import re
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner

from loadtest.arrivals import Arrivals, Request
from loadtest.bench.cases import PHOTOS
from loadtest.capacity.__main__ import app
from loadtest.capacity.checking import checked, table
from loadtest.capacity.plan import INPUTS, Kind, cheapest, fleet, markdown, read, strains
from loadtest.capacity.queueing import Queue
from loadtest.photos import jpeg

ROOT = Path(__file__).parents[2]
KNOWN = read()


def test_the_page_shows_what_the_command_tells():
    page = (ROOT / "docs/capacity.md").read_text(encoding="utf-8")
    assert markdown(KNOWN) in page, markdown(KNOWN)


def test_the_chart_is_that_of_the_inputs(tmp_path):
    drawn = tmp_path / "capacity.svg"
    done = CliRunner().invoke(app, ["plan", "--chart", str(drawn)], catch_exceptions=False)
    assert done.exit_code == 0
    shown = (ROOT / "docs/pictures/capacity.svg").read_text(encoding="utf-8")
    assert _lines(drawn.read_text(encoding="utf-8")) == _lines(shown)


def _lines(svg: str) -> list[str]:
    """The curves; what stands around them changes with matplotlib."""
    return re.findall(r'<path d="(M [^"]{200,})"', svg)


@pytest.mark.parametrize("rate", [1, 300, 1_000_000])
def test_a_fleet_holds_the_target_without_its_spare_one_and_no_smaller_one_does(rate):
    kind = Kind("8", 8, 0.4)
    found = fleet(rate, kind, KNOWN)

    def p99(replicas: int) -> float:
        return Queue(rate / replicas, kind.cores, KNOWN.service).percentile_s(0.99)

    working = found.replicas - KNOWN.spare
    assert p99(working) <= KNOWN.target_s * 1.001
    fewer = rate * KNOWN.service.mean_s / (max(1, working - 1) * kind.cores)
    assert working == 1 or p99(working - 1) > KNOWN.target_s or fewer > KNOWN.most_load
    assert rate * KNOWN.service.mean_s / (working * kind.cores) <= KNOWN.most_load * 1.001
    assert found.dollars_a_year == pytest.approx(found.replicas * 0.4 * 8766)
    assert found.load == pytest.approx(rate * KNOWN.service.mean_s / (found.replicas * 8))


def test_the_cheapest_kind_is_taken_and_a_target_below_one_picture_is_said():
    dear, cheap = Kind("dear", 8, 1.0), Kind("cheap", 8, 0.5)
    inputs = read(p99_ms=100)
    assert cheapest(100, _with(inputs, dear, cheap)).kind is cheap
    with pytest.raises(ValueError, match="the target is 10"):
        cheapest(100, _with(read(p99_ms=10), dear, cheap))


def _with(inputs, *kinds):
    return type(inputs)(**{**vars(inputs), "kinds": kinds})


def test_strains_are_in_units_of_one():
    found = cheapest(100_000, KNOWN)
    needs = strains(found, KNOWN)
    assert list(needs.values()) == sorted(needs.values(), reverse=True)
    gbit = 100_000 * KNOWN.picture_bytes * 8 / 1e9
    assert needs["load balancer"] == pytest.approx(gbit / KNOWN.limits["balancer_gbit_s"])
    assert needs["metrics"] == pytest.approx(found.replicas * KNOWN.limits["series_a_replica"] / 1e7)


def test_bytes_of_the_inputs_are_those_of_the_bench_s_pictures():
    size, kind = PHOTOS["small"]
    text = INPUTS.read_text(encoding="utf-8")
    told = int(re.search(r"^small = (\d+_\d+)", text, re.MULTILINE).group(1).replace("_", ""))
    assert (size, kind) == ((500, 375), "JPEG")
    assert told == pytest.approx(len(jpeg(size, 1)), rel=0.05)


def test_costs_come_from_a_bench(tmp_path):
    file = tmp_path / "bench.json"
    case = {"network": "shipped", "clients": 8, "form": "raw", "server": "loupe"}
    costs = [{**case, "photo": name, "cpu_ms": cost} for name, cost in (("small", 4), ("medium", 8), ("large", 40))]
    file.write_text(json.dumps({"cases": [*costs, {**costs[0], "clients": 1, "cpu_ms": 99}]}))
    assert read(bench=file).service.seconds == (0.004, 0.008, 0.04)
    done = CliRunner().invoke(app, ["plan", "--rate", "1000", "--bench", str(file)], catch_exceptions=False)
    assert "cheapest: " in done.output
    missing = CliRunner().invoke(app, ["plan", "--bench", str(tmp_path / "none.json")], catch_exceptions=False)
    assert (missing.exit_code, "does not exist" in missing.output) == (2, True)


def test_arrivals_by_chance_come_at_their_rate():
    """Nobody answers there, so each is over at once."""
    asked = Arrivals("http://127.0.0.1:9", Request("/", b""))
    asyncio.run(asked.arrive(400, 0.5, Random(1)))
    assert asked.statuses.total() == pytest.approx(200, rel=0.25)
    assert set(asked.statuses) == {"ConnectionRefusedError"}


def test_a_check_puts_prediction_beside_measurement():
    asked = Arrivals("http://127.0.0.1:9", Request("/", b""))
    asked.accepted_s = [0.01] * 75
    asked.statuses.update({"200": 75, "429": 25})
    told = checked(2, 0.01, asked, 0.25)
    assert (told.p99_ms, told.refused) == (10.0, 0.25)
    assert told.predicted_p99_ms == pytest.approx(260)
    assert table([told]).endswith("| 2 | 10.0, 260.0 | 10.0, 260.0 | 25.0% | 0.25 |")
    assert checked(0.5, 0.01, asked, 0.0).predicted_p50_ms == pytest.approx(10, abs=1)
