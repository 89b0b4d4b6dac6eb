"""In time: httpx's timeouts hold for each read and write alone, so a server that drips keeps a call for ever."""

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, wait
from contextvars import copy_context
from typing import Any, cast

import httpx


def ask_in_time(http: httpx.Client, arguments: Mapping[str, Any], seconds: float) -> httpx.Response:
    """``http.request(**arguments)``, given up once so many seconds are over.

    It runs in a thread, which is waited for: nothing else ends a call of httpx from outside.

    Raises:
        httpx.RequestError: there was no answer, or not in time.
    """
    answer, given_up, context = Future[httpx.Response](), threading.Event(), copy_context()

    def ask() -> None:
        try:
            answer.set_result(context.run(_ask, http, arguments, given_up))
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=ask, name="loupe-client", daemon=True).start()
    try:
        if not wait([answer], min(seconds, threading.TIMEOUT_MAX)).done:
            raise httpx.ReadTimeout("the answer takes too long")
        return answer.result()
    finally:
        given_up.set()


def _ask(http: httpx.Client, arguments: Mapping[str, Any], given_up: threading.Event) -> httpx.Response:
    with http.stream(**arguments) as answer:
        answer.stream = _UntilGivenUp(cast(httpx.SyncByteStream, answer.stream), given_up)
        answer.read()
    return answer


class _UntilGivenUp(httpx.SyncByteStream):
    """Ends the connection, and with it the thread, at the first byte that nobody waits for."""

    def __init__(self, stream: httpx.SyncByteStream, given_up: threading.Event) -> None:
        self._stream = stream
        self._given_up = given_up

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            if self._given_up.is_set():
                raise httpx.ReadTimeout("the answer takes too long")
            yield part

    def close(self) -> None:
        self._stream.close()
