import json

from typer.testing import CliRunner

from loadtest import dear
from loadtest.photos import flat_png


def test_ordinary_photos_and_large_ones_are_answered_beside_each_other(models, monkeypatch):
    monkeypatch.setenv("LOUPE_MODELS", str(models))
    monkeypatch.setattr(dear, "flat_png", lambda _: flat_png((3000, 3000)))
    done = CliRunner().invoke(dear.app, ["--clients", "2", "--duration-s", "2"], catch_exceptions=False)
    told = json.loads(done.output)
    assert set(told["statuses"]) == set(told["large_statuses"]) == {"200"}
    assert told["alone_ms"]["p50"] > 0
    assert told["p99_ratio"] > 0
    assert 0 < told["live_ms"]["p50"] <= told["live_max_ms"]
