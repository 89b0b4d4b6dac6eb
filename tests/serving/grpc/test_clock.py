"""What a clock that somebody sets does to the log."""

import logging

import grpc

from serving.grpc.calls import _log_call
from serving.observability.recorder import RequestRecord


def test_a_clock_that_is_set_back_makes_no_duration_negative(caplog):
    record = RequestRecord()
    record.started_ns += 3600 * 10**9
    with caplog.at_level(logging.INFO, "loupe.access"):
        _log_call(record, grpc.StatusCode.OK)
    [line] = caplog.records
    assert 0 <= line.duration_ms < 60_000
