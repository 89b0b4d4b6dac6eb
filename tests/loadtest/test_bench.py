"""The bench and the overload run as people run them, as short as they can be."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from loadtest.bench import __main__ as bench
from loadtest.bench import readme
from loadtest.bench.cases import FLOOR, LOUPE, STARLETTE, Case, encoded_tensor, multipart, networks, parts, with_floors
from loadtest.bench.measuring import Measurement, busy_s
from loadtest.bench.peers import PEERS
from loadtest.bench.report import summary, table
from loadtest.bench.start import Start, command_cpu_s
from loadtest.bench.targets import targets
from loadtest.photos import jpeg
from loadtest.processes import cpu_s, loop_cpu_s, resident_mb
from loadtest.work import Work, scaled, whole
from models.images import decode
from models.preprocessing import Preprocessing

ROOT = Path(__file__).parents[2]
CALM = {"loop_ms": 0.2, "per_s": 100.0, "p50_ms": 10.0, "p99_ms": 11.0, "refused": 0, "others": 0.0, "late_ms": 0.0}


def run(module: str, models: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    environment = os.environ | {"LOUPE_MODELS": str(models)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_a_short_run_measures_floor_server_and_peers(models, tmp_path):
    """Every form of a body, two models, and the peers that need no environment of their own."""
    file = tmp_path / "bench.json"
    options = "--only forms,loop --rounds 1 --seconds 0.1 --peers starlette,fastapi --photos small,tiny --output"
    done = run("loadtest.bench", models, *options.split(), str(file))
    figures = json.loads(file.read_text())
    measured = {(case["server"], case["photo"], case["form"], case["network"]) for case in figures["cases"]}
    assert measured >= {("loupe", "small", form, "talk") for form in ("raw", "multipart", "base64", "bytes")}
    assert measured >= {(server, "small", "tensor", "talk") for server in ("floor", "loupe", "starlette")}
    assert measured >= {("floor", "small", "raw", "both"), ("loupe", "small", "raw", "both")}
    assert measured >= {(server, "small", "raw", "talk") for server in ("floor", "loupe", "starlette", "fastapi")}
    assert all(case["cpu_ms"] > 0 and case["p50_ms"] > 0 and case["refused"] == 0 for case in figures["cases"])
    assert all(0 < case["loop_ms"] < case["cpu_ms"] for case in figures["cases"] if case["server"] == "loupe")
    assert "x the Starlette app" in done.stdout
    assert "x fastapi" in done.stdout
    assert "round 1 of 1" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--only", "sizes,shapes"], "shapes is none of"), (["--peers", "torchserve"], "torchserve is none of")],
)
def test_what_is_not_there_is_said(options, said):
    assert said in " ".join(CliRunner().invoke(bench.app, options).output.replace("│", "").split())


def test_overload_is_answered_or_refused_and_nothing_else(models):
    told = json.loads(run("loadtest.overload", models, "--duration-s", "1", "--times", "4", "--rounds", "2").stdout)
    figures = told["4 x"]
    assert len(told["at best"]["answers_per_s"]) == 3  # before, between and after
    assert min(figures["goodputs"]) <= figures["goodput"] <= max(figures["goodputs"])
    assert set(figures["statuses"]) <= {"200", "429"}
    assert figures["statuses"]["200"] > 0
    assert figures["requests"] == sum(figures["statuses"].values())
    assert figures["accepted_ms"]["p99"] > 0
    assert figures["live_ms"]["p99"] > 0
    assert all(0 < loop < cpu for loop, cpu in zip(figures["loop_ms"], figures["cpu_ms"], strict=True))


def rounds(case: Case, *cpu: tuple[float, float, float]) -> list[dict[Case, Measurement]]:
    """CPU of the floor, of the case, and how busy others were, for each round."""
    return [
        {case.floor: Measurement(floor, **CALM), case: Measurement(own, **(CALM | {"others": others}))}
        for floor, own, others in cpu
    ]


def test_medians_of_the_rounds_that_nobody_disturbed():
    case = Case("talk", "small", 8)
    row = summary(rounds(case, (4, 5, 0), (8, 12, 0), (4, 40, 0.5)))[case]
    assert (row.cpu_ms, row.ratio, row.added_ms, row.calm) == (8.5, 1.375, 2.5, 2)


def test_where_all_were_disturbed_all_count_and_are_marked():
    case = Case("talk", "small", 8)
    rows = summary(rounds(case, (4, 5, 1), (4, 6, 1), (4, 40, 1)))
    assert (rows[case].ratio, rows[case].calm) == (1.5, 0)
    assert "0/3 *" in table(rows, 3)


def test_a_late_client_disturbs_unless_latencies_are_long():
    assert not Measurement(1, **(CALM | {"late_ms": 20.0})).calm
    assert Measurement(1, **(CALM | {"late_ms": 20.0, "p50_ms": 1000.0})).calm


def test_targets_are_judged_by_the_right_figures():
    talk, shipped = Case("talk", "small", 8), Case("shipped", "small", 1)
    rows = summary(rounds(talk, (4, 4.2, 0))) | summary(rounds(shipped, (4, 5.5, 0)))
    judged = {one.what: one for one in targets(rows, None, {"small": {"predict_ratio": 1.2, "upright_ratio": 1.05}})}
    assert judged["the talk's network, small, 8 clients"].met
    assert judged["the talk's network, small, 8 clients"].got == pytest.approx(1.05)
    assert not judged["the shipped int8, small, one client"].met
    assert judged["the shipped int8, small, one client"].got == pytest.approx(1.5)
    assert judged["talk, small, 8 clients"].got == pytest.approx(1.1)
    assert not judged["loupe predict, a folder of small photos"].met
    assert judged["loupe upright, a folder of small photos"].met


def test_a_tensor_is_judged_by_the_starlette_app_and_products_by_their_own_figures():
    ours, theirs = (Case("talk", "small", 8, "tensor", server) for server in (LOUPE, STARLETTE))
    loupe, product = Case("talk", "large", 8), Case("talk", "large", 8, server="mlserver")
    rows: dict = {}
    for case, cpu in ((ours, 6.0), (theirs, 5.0), (loupe, 30.0), (product, 120.0)):
        rows |= summary(rounds(case, (4, cpu, 0)))
    judged = {f"{one.what} {one.unit}": one.got for one in targets(rows, None, {})}
    assert judged["a ready tensor, 8 clients x the Starlette app"] == pytest.approx(1.2)
    assert judged["large, 8 clients x mlserver"] == pytest.approx(0.25)


def test_starts_are_judged():
    judged = {one.what: one.met for one in targets({}, Start(1.1, 0.4, 140, 310, 3, 9, 0.0), {})}
    assert judged["start to the first answer"]
    assert judged["idle"]
    assert not judged["loupe --help"]
    assert not judged["32 clients with 12 megapixels"]


def test_every_case_has_its_floor_before_it():
    for cases in parts().values():
        for place, case in enumerate(cases):
            assert case.floor in cases[: place + 1]
    assert len(with_floors([Case("talk", "small", 1), Case("talk", "small", 8)])) == 3


def test_networks_are_the_first_and_last_versions():
    found = networks(ROOT / "models")
    assert found["talk"].predict == "/v1/models/orientation/versions/1:predict"
    assert found["shipped"].predict == "/v1/models/orientation:predict"
    assert found["shipped"].files[0].parts[-3:] == ("orientation", "3", "model.onnx")
    assert found["least"].files[0].parts[-3:] == ("selfie", "1", "model.onnx")
    with pytest.raises(FileNotFoundError, match="has no orientation"):
        networks(ROOT / "docs")


def test_forms_of_a_body(tmp_path):
    photo = tmp_path / "photo.jpeg"
    photo.write_bytes(b"\xff\xd8bytes")
    assert b'name="image"; filename="photo.jpeg"' in multipart("/p", "image", photo).body
    request = encoded_tensor("/i", "image", photo.read_bytes())
    head = int(request.headers["Inference-Header-Content-Length"])
    assert json.loads(request.body[:head])["inputs"][0]["parameters"]["binary_data_size"] == 11
    assert request.body[head:] == b"\x07\x00\x00\x00\xff\xd8bytes"
    assert request.encoded().endswith(b"Content-Length: %d\r\n\r\n%b" % (len(request.body), request.body))


@pytest.mark.parametrize("version", [1, 2])
def test_the_floor_sees_what_the_server_sees(version):
    """Else it would be another amount of work."""
    photo, work = jpeg((500, 375), 1), Work(ROOT / f"models/orientation/{version}/model.onnx")
    fit = "center_crop" if version == 1 else "squeeze"
    wanted = Preprocessing(height=work.size[1], width=work.size[0], fit=fit)
    assert np.array_equal(work.pixels(scaled(photo, work.size))[0], wanted.apply(decode(photo, wanted.size)))
    assert np.array_equal(work.pixels(whole(photo))[0], wanted.apply(decode(photo)))


def test_cpu_time_and_memory_are_those_of_the_whole_tree():
    busy = "import time; until = time.process_time() + 0.2\nwhile time.process_time() < until: pass\n"
    parent = (
        f"import subprocess, sys; {busy.replace('; ', chr(10))}subprocess.Popen([sys.executable, '-c', {busy!r}])\n"
    )
    waiting = f"{parent}print('done', flush=True); import time; time.sleep(60)"
    before = busy_s()
    with subprocess.Popen([sys.executable, "-c", waiting], stdout=subprocess.PIPE, text=True) as process:
        try:
            process.stdout.readline()
            alone = loop_cpu_s(process.pid)
            while cpu_s(process.pid) < alone + 0.2:
                pass
            assert resident_mb(process.pid, peak=True) >= resident_mb(process.pid) > 10
        finally:
            process.kill()
    assert alone >= 0.2
    assert busy_s() - before >= 0.35
    assert command_cpu_s([sys.executable, "-c", busy]) >= 0.2
    with pytest.raises(RuntimeError, match="NameError"):
        command_cpu_s([sys.executable, "-c", "nothing"])


def figures(**changes: object) -> dict[str, object]:
    """What the bench writes: everything that the README's table needs, each at 10 ms a photo."""
    asked = [("small", 1), ("small", 8), ("small", 32), ("medium", 8), ("large", 8)]
    loupe = {
        "network": "talk",
        "form": "raw",
        "cpu_ms": 10.0,
        "ratio": 1.25,
        "p50_ms": 7.0,
        "p99_ms": 9.0,
        "refused": 0,
        "calm": 3,
    }
    floor = [
        {**loupe, "server": FLOOR, "photo": photo, "clients": 0, "ratio": 1.0} for photo in ("small", "medium", "large")
    ]
    servers = [
        {**loupe, "server": server, "photo": photo, "clients": clients, **(changes if server == "triton" else {})}
        for server in (LOUPE, *PEERS)
        for photo, clients in asked
    ]
    return {"cases": [*floor, *servers]}


def test_the_readme_s_table_is_the_bench_s(tmp_path, monkeypatch):
    bench, page = tmp_path / "bench.json", tmp_path / "page.md"
    bench.write_text(json.dumps(figures(refused=3, calm=0)))
    page.write_text("before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n")
    monkeypatch.setattr(sys, "argv", ["readme", str(bench), str(page)])
    readme.main()
    lines = page.read_text().splitlines()
    assert "| **Loupe** | 10.0 (1.25) · 10.0 (1.25) · 10.0 (1.25) | 7, 9 | 10.0 (1.25) | 10.0 (1.25) |" in lines
    assert "old" not in lines
    assert sum("10.0 (1.25, 3 refused) *" in line for line in lines) == 1
    assert sum("*" in line.replace("**", "") for line in lines) == 1
    assert lines[-1] == "after"
    assert (ROOT / "README.md").read_text().count("<!-- bench -->") == 1
    page.write_text("no place")
    with pytest.raises(ValueError, match="0 places"):
        readme.main()
