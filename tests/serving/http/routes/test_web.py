"""The page's files; what the page does is tested in tests/serving/http/web/."""

import re

import pytest

from serving.http.web import FILES


@pytest.mark.parametrize("path", FILES)
def test_every_file_comes_with_what_keeps_strangers_out(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.content == FILES[path][0].read_bytes()
    assert answer.headers["Content-Type"].startswith(FILES[path][1])
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Permissions-Policy"].startswith("camera=(self)")
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy.pop("img-src") == "'self' blob:"
    assert policy.pop("require-trusted-types-for") == "'script'"
    assert {name: source for name, source in policy.items() if source != "'none'"} == {
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
    }
    assert {"default-src", "base-uri", "form-action", "frame-ancestors"} <= policy.keys()


def test_what_has_not_changed_is_not_sent_again(client):
    first = client.get("/")
    assert first.headers["Cache-Control"] == "no-cache"
    for known in (first.headers["ETag"], f'"other", W/{first.headers["ETag"]}'):
        again = client.get("/", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
    assert client.get("/", headers={"If-None-Match": '"other"'}).status_code == 200
    assert client.head("/").headers["Content-Length"] == str(len(first.content))


def test_nothing_else_in_the_folder_is_served(client):
    for path in ("/web/__init__.py", "/web/", "/web/index.html", "/web/../settings.py", "/web/%2e%2e/settings.py"):
        assert client.get(path).status_code == 404


def test_the_page_may_be_off(serve_with):
    client = serve_with(web=False)
    for path in FILES:
        answer = client.get(path)
        if path != "/":
            assert (answer.status_code, answer.json()["error_type"]) == (404, "HTTPException")


@pytest.mark.parametrize("prefix", ["", "/loupe"])
def test_the_page_needs_no_key_and_lives_under_a_proxys_path(serve_with, tmp_path, prefix):
    (tmp_path / "keys").write_text("key")
    client = serve_with(root_path="/loupe", api_keys_file=tmp_path / "keys")
    for path in FILES:
        assert client.get(prefix + path).status_code == 200
    page = client.get(f"{prefix}/").text
    for link in re.findall(r'(?:src|href)="([^"#]+)"', page):
        assert not link.startswith(("/", "http")), "the prefix would be lost"
    assert client.get(f"{prefix}/version").status_code == 401


def test_scripts_and_styles_stay_out_of_the_markup(client):
    """The policy would refuse them, in silence."""
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", client.get("/").text)
