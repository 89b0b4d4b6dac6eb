import re
import subprocess
from pathlib import Path

import serving
from serving.settings.version import git_revision, service_version


def test_the_revision_is_the_checkouts():
    git_revision.cache_clear()
    checkout = Path(serving.__file__).parents[1]
    if (checkout / ".git").exists() and not (checkout / "serving/REVISION").exists():
        head = subprocess.run(["git", "-C", checkout, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
        assert git_revision() == (head.stdout.strip() if head.returncode == 0 else "unknown")
    else:
        assert re.fullmatch(r"[0-9a-f]{40}|unknown", git_revision())


def test_the_version_is_a_number_or_unknown():
    assert re.fullmatch(r"\d+\.\d+\.\d+.*|unknown", service_version())
