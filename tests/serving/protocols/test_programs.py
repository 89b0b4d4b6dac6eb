"""Programs of other languages, unmodified, as their manuals show them, against a server with its usual settings."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

SCRIPTS = Path(__file__).with_name("clients")
ROOT = Path(__file__).parents[3]
PATH = "/v1/models/orientation:predict"
ENVIRONMENT = os.environ | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
WRONG = {"status": 415, "error_type": "UnsupportedImageError"}


def need(program: str) -> str:
    """Where a program lies; the test is skipped where it is not."""
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def run(*command: object) -> str:
    done = subprocess.run(list(map(str, command)), env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def photo(tmp_path: Path, zoo) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(zoo.png("left", (64, 48)))
    return path


@pytest.fixture
def expected(client: httpx.Client, photo: Path) -> list[dict]:
    predictions = client.post(PATH, content=photo.read_bytes()).json()["predictions"]
    assert predictions[0]["label"] == "left"
    return predictions


def check(told: dict, expected: list[dict], ways: set[str]) -> None:
    assert told["health"] == 200
    assert {way: told[way] for way in ways} == dict.fromkeys(ways, expected)
    assert {name: told["wrong"][name] for name in WRONG} == WRONG
    assert told["wrong"]["error"].startswith("the body is text, not a photo")


def test_node_s_fetch(url, photo, expected):
    told = json.loads(run(need("node"), SCRIPTS / "fetch.mjs", url, photo))
    check(told, expected, {"bytes", "form", "text", "chunked"})


def test_axios(url, photo, expected, tmp_path):
    node, packages = need("node"), ROOT / ".npm-dev" / "node_modules"
    if not (packages / "axios").is_dir():
        pytest.skip("axios is not installed: npm install --prefix .npm-dev axios")
    (tmp_path / "node_modules").symlink_to(packages)
    script = shutil.copy(SCRIPTS / "axios.mjs", tmp_path)
    check(json.loads(run(node, script, url, photo)), expected, {"bytes", "form", "array", "chunked"})


def test_java_s_http_client(url, photo, expected, tmp_path):
    lines = dict(line.split(" ", 1) for line in run(need("java"), SCRIPTS / "Ask.java", url, photo).splitlines())
    told = {what: line.split(" ", 2) for what, line in lines.items()}
    assert {what: status for what, (_, status, _) in told.items()} == {
        "health": "200",
        "bytes": "200",
        "chunked": "200",
        "wrong": "415",
    }
    for way in ("bytes", "chunked"):
        assert json.loads(told[way][2])["predictions"] == expected


def test_go_s_net_http(url, photo, expected, tmp_path):
    go = need("go")
    shutil.copy(SCRIPTS / "main.go", tmp_path)
    told = json.loads(run(go, "run", tmp_path / "main.go", url, photo))
    check(told, expected, {"bytes", "chunked"})


def test_php_s_streams(url, photo, expected):
    check(json.loads(run(need("php"), SCRIPTS / "ask.php", url, photo)), expected, {"bytes", "form"})


def test_ruby_s_net_http(url, photo, expected):
    told = json.loads(run(need("ruby"), SCRIPTS / "ask.rb", url, photo))
    check(told, expected, {"bytes", "form", "chunked"})


@pytest.mark.parametrize("how", [(), ("--http2",), ("--http1.0",)])
def test_curl(url, photo, expected, how):
    curl, quiet = need("curl"), ("--silent", "--show-error", "--fail")
    ways = [
        ("--data-binary", f"@{photo}"),
        ("--form", f"image=@{photo}"),
        ("--upload-file", photo, "--request", "POST"),
    ]
    for way in ways:
        assert json.loads(run(curl, *quiet, *how, *way, url + PATH))["predictions"] == expected
    assert run(curl, *quiet, *how, "--head", f"{url}/health/ready").split()[1] == "200"


def test_wget(url, photo, expected, tmp_path):
    wget = need("wget")
    assert run(wget, "--quiet", "--spider", f"{url}/health/ready") == ""
    for what in ("/", "/docs", "/openapi.json", "/v1/models", "/metrics"):
        run(wget, "--quiet", "--spider", url + what)
    posted = ("--quiet", "--output-document=-", f"--post-file={photo}", "--header=Content-Type: image/png")
    assert json.loads(run(wget, *posted, url + PATH))["predictions"] == expected


HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend front
  bind 127.0.0.1:{port}
  default_backend loupe
backend loupe
  option httpchk
  http-check send meth HEAD uri /health/ready
  http-check expect status 200
  server one {address} check inter 200ms
"""

NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder};
  proxy_temp_path {folder};
  fastcgi_temp_path {folder};
  uwsgi_temp_path {folder};
  scgi_temp_path {folder};
  client_max_body_size 64m;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://{address}; }}
  }}
}}
"""


@pytest.fixture
def behind(url: str, tmp_path: Path) -> Iterator[Callable[[str, list[str], str], httpx.Client]]:
    """Starts a proxy with a configuration, and returns a client that asks through it once it answers."""
    stack = ExitStack()

    def start(program: str, arguments: list[str], configuration: str) -> httpx.Client:
        port = free_port()
        text = configuration.format(port=port, address=urlsplit(url).netloc, folder=tmp_path)
        (tmp_path / "proxy.conf").write_text(text)
        process = subprocess.Popen([need(program), *arguments, str(tmp_path / "proxy.conf")])
        stack.callback(process.wait, 30)
        stack.callback(process.terminate)
        through = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30))
        until(lambda: through.get("/health/ready").status_code == 200)
        return through

    with stack:
        yield start


def test_behind_haproxy_which_checks_with_head(behind, photo, expected):
    through = behind("haproxy", ["-f"], HAPROXY)
    time.sleep(1)  # several checks
    assert through.post(PATH, content=photo.read_bytes()).json()["predictions"] == expected
    assert through.post(PATH, files={"image": photo.read_bytes()}).json()["predictions"] == expected


def test_behind_nginx(behind, photo, expected):
    through = behind("nginx", ["-c"], NGINX)
    assert through.head("/health/ready").status_code == 200
    assert through.post(PATH, content=photo.read_bytes()).json()["predictions"] == expected
    assert through.post(PATH, content=iter([photo.read_bytes()])).json()["predictions"] == expected
    assert through.post(PATH, content=b"no image").status_code == 415


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def until(true: Callable[[], bool]) -> None:
    for _ in range(200):
        try:
            if true():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("the proxy does not answer")
