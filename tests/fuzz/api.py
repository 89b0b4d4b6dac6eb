"""``python -m tests.fuzz.api SECONDS``: schemathesis asks a server of the shipped models what openapi.json allows.

No answer may be a server's error (but 504, which a caller may ask for by ``Request-Timeout``), and each must have a
status, a type and a body that the document tells.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from loadtest.processes import server

CONFIGURATION = """
[parameters]
"path.model" = "orientation"
"path.version" = 2
"path.label" = "stable"

[checks]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "504"]
"""
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def main(seconds: int) -> int:
    """Exit status 1 if it found something."""
    with tempfile.TemporaryDirectory() as folder, server() as (url, _):
        (Path(folder) / "schemathesis.toml").write_text(CONFIGURATION)
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", f"{folder}/schemathesis.toml", "run"]
        command += [f"{url}/openapi.json", "--checks", CHECKS, "--max-time", str(seconds), "--seed", "1"]
        return subprocess.run([*command, "--continue-on-failure", "--no-color"], cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
