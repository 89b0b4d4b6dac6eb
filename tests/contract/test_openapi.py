"""The HTTP surface changes on purpose only.

After a change that is meant: ``python tests/contract/test_openapi.py`` rewrites openapi.json; read its diff.
"""

import json
from pathlib import Path

from serving.http.app import create_app
from serving.settings import Settings

SNAPSHOT = Path(__file__).with_name("openapi.json")


def surface() -> dict[str, object]:
    document = create_app(Settings()).openapi()
    document["info"].pop("version")
    return document


def test_openapi_is_the_snapshot():
    assert surface() == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(surface(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
