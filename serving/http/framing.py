"""Framing: one request in, one request parsed. What proxies and servers are known to read differently is refused."""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import httptools

from models.errors import RequestError

Headers = Iterable[tuple[bytes, bytes]]
"""Names in lower case, and values."""

# RFC 3986's `host [":" port]`, without user names; an address in brackets has colons too.
_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+;=%:\[\]-]*")
_LINE = re.compile(rb"([!-~]{1,32}) ([!-~]{1,1024}) HTTP/1\.[01]\r?\n")
_METHODS = ("GET", "HEAD", "POST", "PUT", "OPTIONS")
_VERSIONS = ("1.0", "1.1")
_FRAMING = (b"content-length", b"transfer-encoding")


class Line(NamedTuple):
    """Of a request, its first: the method and what it asks for."""

    method: str
    target: bytes


def refuse_tricks(method: str, version: str, target: bytes, headers: Headers) -> None:
    """Looks for what httptools lets through. It refuses bare line feeds, folded headers and two lengths by itself.

    Args:
        method: such as ``POST``.
        version: ``1.1`` or ``1.0``.
        target: as it stands in the request's line.
        headers: all of them.

    Raises:
        RequestError: the request could be read in two ways, or is none that an HTTP/1 server answers.
    """
    if version not in _VERSIONS:
        raise RequestError(f"the request is of HTTP/{version}; allowed are 1.0 and 1.1")
    if method == "CONNECT":
        raise RequestError("CONNECT asks for a proxy; this is none")
    if not target.startswith(b"/") and not _has_path(target):
        raise RequestError("the request's address must begin with /")
    if b"#" in target:
        raise RequestError("the request's address has a fragment, which belongs to browsers alone")
    hosts, codings = list[bytes](), list[bytes]()
    for name, value in headers:
        if name == b"host":
            hosts.append(value.strip())
        elif name == b"transfer-encoding":
            codings.append(value.strip().lower())
    _check_host(version, hosts)
    if codings:
        _check_coding(version, codings)


def line_of(data: bytes) -> Line | None:
    """The first line of a request, if that is what bytes begin with that the parser did not take."""
    match = _LINE.match(data)
    return None if match is None else Line(match[1].decode(), match[2])


def not_taken(line: Line | None) -> RequestError:
    """Why not."""
    if line is not None and line.method not in _METHODS:
        return RequestError(f"there is no method {line.method}; there are {', '.join(_METHODS)}")
    return RequestError("the bytes are no HTTP request")


def _has_path(target: bytes) -> bool:
    """An address with its host, as proxies are asked; ``*`` has none."""
    try:
        return (httptools.parse_url(target).path or b"").startswith(b"/")
    except httptools.HttpParserInvalidURLError:
        return False


def _check_host(version: str, hosts: list[bytes]) -> None:
    """RFC 9112, 3.2: without a Host, with two of them, or with one that is none, the status is 400."""
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        raise RequestError(f"the request has {len(hosts)} Host headers; exactly one is needed")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise RequestError("the Host header is no host and port")


def _check_coding(version: str, codings: list[bytes]) -> None:
    """RFC 9112, 6.1: HTTP/1.0 knows no Transfer-Encoding. Codings before ``chunked`` would not be undone here."""
    if version == "1.0":
        raise RequestError("the request has a Transfer-Encoding, which HTTP/1.0 does not know")
    if codings != [b"chunked"]:
        raise RequestError("the Transfer-Encoding is not allowed; the one that is read is chunked")


class Requests:
    """httptools' parser, for which an offer of an upgrade ends the request: here it is a request like any other.

    Behind such an offer llhttp reads no body, so that what was meant as one would be parsed as the next request
    (encode/uvicorn#2722). So the request goes on in a new parser, which is told its framing alone.
    """

    def __init__(self, listener: Any) -> None:  # noqa: ANN401 - whatever has httptools' callbacks
        self._listener = listener
        self._parser = _parser(listener)

    @property
    def offered(self) -> bool:
        """Whether the parser stopped at an offer; what it then tells of the request's end is not so."""
        return bool(self._parser.should_upgrade())

    def feed_data(self, data: bytes) -> None:
        """Parses on.

        Raises:
            HttpParserError: it is no request.
        """
        rest = memoryview(data)
        while True:
            try:
                self._parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as offer:
                rest = rest[offer.args[0] :]
                self._resume()

    def get_http_version(self) -> str:
        """Of the request whose headers are complete."""
        return str(self._parser.get_http_version())

    def get_method(self) -> bytes:
        """Of the request whose headers are complete."""
        return bytes(self._parser.get_method())

    def should_keep_alive(self) -> bool:
        """Whether the connection may carry another request."""
        return bool(self._parser.should_keep_alive())

    def should_upgrade(self) -> bool:
        """Never: uvicorn would stop reading."""
        return False

    def _resume(self) -> None:
        framing = [b"%b: %b\r\n" % pair for pair in self._listener.headers if pair[0] in _FRAMING]
        keep = b"keep-alive" if self.should_keep_alive() else b"close"
        self._parser = _parser(_Resumed(self._listener))
        self._parser.feed_data(b"POST / HTTP/1.1\r\nConnection: %b\r\n%b\r\n" % (keep, b"".join(framing)))


class _Resumed:
    """Callbacks of the parser that goes on: silent about the head that it was given, which is known already."""

    def __init__(self, listener: Any) -> None:  # noqa: ANN401 - as above
        self._listener = listener
        self._silent = True
        self.on_body = listener.on_body
        self.on_message_complete = listener.on_message_complete

    def on_message_begin(self) -> None:
        if not self._silent:
            self._listener.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._silent:
            self._listener.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._silent:
            self._listener.on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self._silent:
            self._listener.on_headers_complete()
        self._silent = False


def _parser(listener: Any) -> httptools.HttpRequestParser:  # noqa: ANN401 - as above
    parser = httptools.HttpRequestParser(listener)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn: what follows a last request is dropped
    return parser
