import asyncio

from serving.observability.recorder import Recorder, RecordingObserver, RequestRecord, current_record


def test_a_record_is_handed_over_when_its_request_ends():
    handed: list[RequestRecord] = []
    recorder = Recorder([handed.extend])
    observer = RecordingObserver()
    with recorder.request(RequestRecord("predict")) as record:
        assert (recorder.in_flight, handed) == (1, [])
        observer.asked({"selfie": "3"})
        observer.answered({"decode": 0.25, "queue": 0.5})
    assert (recorder.in_flight, handed) == (0, [record])
    assert current_record.get() is None
    assert record.versions == {"selfie": "3"}
    assert list(record.stages_s) == ["receive", "decode", "queue", "respond"]
    assert record.stages_s["receive"] + record.stages_s["respond"] <= record.duration_s


def test_requests_of_an_event_loop_are_handed_over_in_blocks():
    blocks: list[list[RequestRecord]] = []
    recorder = Recorder([lambda ended: blocks.append(list(ended))])
    records = [RequestRecord() for _ in range(3)]

    async def end_two() -> None:
        recorder.note(records[0])
        recorder.note(records[1])
        assert blocks == []
        await asyncio.sleep(0.3)

    async def end_one() -> None:
        recorder.note(records[2])

    asyncio.run(end_two())
    assert blocks == [records[:2]]
    asyncio.run(end_one())  # which ends before it is time
    recorder.tell()
    recorder.tell()
    assert blocks == [records[:2], records[2:]]


def test_a_request_may_ask_several_times_and_the_longest_counts():
    with Recorder([]).request(RequestRecord("predict")) as record:
        RecordingObserver().asked({"selfie": "3"})
        received = record.stages_s["receive"]
        RecordingObserver().answered({"decode": 0.25})
        RecordingObserver().asked({"orientation": "1"})
        RecordingObserver().answered({"decode": 0.125})
    assert record.versions == {"selfie": "3", "orientation": "1"}
    assert record.stages_s["receive"] == received
    assert record.stages_s["decode"] == 0.25


def test_what_failed_before_a_model_was_asked_has_no_steps():
    handed: list[RequestRecord] = []
    try:
        with Recorder([handed.extend]).request(RequestRecord()):
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert (handed[0].status, handed[0].stages_s, handed[0].versions) == (500, {}, {})


def test_outside_of_requests_nothing_is_kept():
    RecordingObserver().asked({"selfie": "3"})
    RecordingObserver().answered({})
    assert current_record.get() is None
