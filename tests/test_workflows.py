"""The workflows of GitHub Actions: they fit the schema, and what they call is there. They are not run here."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yaml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def steps(name: str) -> list[dict]:
    workflow = yaml.safe_load((ROOT / f".github/workflows/{name}.yaml").read_text())
    return [step for job in workflow["jobs"].values() for step in job.get("steps", ())]


def scripts(name: str) -> str:
    return "\n".join(step.get("run", "") for step in steps(name))


def schema_errors(*files: Path) -> str:
    program = Path(sys.executable).with_name("check-jsonschema")
    command = [program, "--builtin-schema", "vendor.github-workflows", *files]
    done = subprocess.run(command, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_they_fit_the_schema(tmp_path):
    assert len(WORKFLOWS) == 2
    assert not schema_errors(*WORKFLOWS)
    broken = tmp_path / "broken.yaml"
    broken.write_text(WORKFLOWS[0].read_text().replace("runs-on:", "runs_on:"))
    assert "runs_on" in schema_errors(broken)


def test_the_checks_are_those_that_people_run_on_the_oldest_and_the_newest_python():
    assert ".ci/run" in scripts("checks").splitlines()
    assert os.access(ROOT / ".ci/run", os.X_OK)
    workflow = yaml.safe_load(WORKFLOWS[0].read_text())
    oldest, newest = workflow["jobs"]["checks"]["strategy"]["matrix"]["python"]
    minor = int(newest.removeprefix("3."))
    assert PROJECT["requires-python"] == f">={oldest},<3.{minor + 1}"


@pytest.mark.parametrize("target", ["release", "image"])
def test_a_release_is_made_by_make(target):
    assert target in re.findall(r"^make ([a-z]+)", scripts("release"), re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_tag_is_compared_with_the_wheel_that_hatchling_names():
    assert f"{PROJECT['name'].replace('-', '_')}-${{TAG#v}}-py3-none-any.whl" in scripts("release")


def test_a_release_s_notes_are_its_part_of_the_changelog(tmp_path):
    (line,) = re.findall(r"^awk .*", scripts("release"), re.MULTILINE)
    script = line.replace("CHANGELOG.md", str(ROOT / "CHANGELOG.md"))
    subprocess.run(["bash", "-euc", script], cwd=tmp_path, env=os.environ | {"TAG": "v0.1.0"}, check=True)
    notes = (tmp_path / "notes.md").read_text()
    assert "- A Python client, sync and async" in notes
    assert "Unreleased" not in notes
    assert not re.search("^## ", notes, re.MULTILINE)


def test_actions_are_pinned_to_a_commit():
    """A tag can be moved to other code."""
    used = [step["uses"] for name in ("checks", "release") for step in steps(name) if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", one) for one in used)


def test_the_bill_of_materials_names_what_is_installed_and_no_path_of_this_machine(tmp_path):
    (line,) = re.findall(r"^\t\$\(dev\)/cyclonedx-py (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    line = line.replace("dist/loupe-serving.cdx.json .venv", f"{tmp_path / 'bill.json'} {sys.prefix}")
    program = Path(sys.executable).with_name("cyclonedx-py")
    subprocess.run([program, *line.split()], cwd=ROOT, check=True, capture_output=True)
    bill = json.loads((tmp_path / "bill.json").read_text())
    assert bill["metadata"]["component"]["name"] == PROJECT["name"]
    installed = {one["name"]: json.dumps(one) for one in bill["components"]}
    assert {"onnxruntime", "pillow", "pydantic"} <= set(installed)
    client = installed.pop("loupe-client")  # editable where the tests run; where it is served it is not installed
    assert str(ROOT) in client
    assert str(ROOT) not in "".join(installed.values())
