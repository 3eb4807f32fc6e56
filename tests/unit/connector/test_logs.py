"""Lines are one JSON object each, and no secret gets into any of them."""

import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import structlog

from connector import logs
from streams.errors import Stopped
from streams.messages import Notice

CANARY = "canary-5c0ffee5-secret"


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook, sys.unraisablehook)
    before = root.handlers, root.level
    stream = io.StringIO()
    logs.configure(level="info", form="json", stream=stream)
    logs.SCRUBBER.learn([CANARY])
    yield stream
    root.handlers, root.level = before
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    logging.captureWarnings(capture=False)
    logging.getLogger(logs.CLIENT).filters = []
    structlog.reset_defaults()


def test_a_line_is_one_json_object_with_time_level_and_event(out: io.StringIO) -> None:
    structlog.get_logger().info("partition opened", partition=3)

    line = json.loads(out.getvalue())
    assert (line["event"], line["partition"], line["level"]) == ("partition opened", 3, "info")
    assert line["timestamp"].endswith("Z")


def test_each_line_of_one_of_several_processes_has_its_number(out: io.StringIO) -> None:
    logs.configure(level="info", form="json", stream=out, process=2)
    thread = threading.Thread(target=lambda: structlog.get_logger().info("ended", reason="asked to"))
    thread.start()
    thread.join()
    logging.getLogger("some.library").warning("slow")

    assert [json.loads(line)["process"] for line in out.getvalue().splitlines()] == [2, 2]


def test_what_libraries_log_takes_the_same_form(out: io.StringIO) -> None:
    logging.getLogger("some.library").warning("slow: %s", 3)

    assert json.loads(out.getvalue())["event"] == "slow: 3"


def test_notices_of_the_runtime_are_logged_with_level_and_fields(out: io.StringIO) -> None:
    logs.write_notice(Notice(event="partition_broken", level="error", fields={"partition": 3}))

    line = json.loads(out.getvalue())
    assert (line["event"], line["level"], line["partition"]) == ("partition_broken", "error", 3)


def test_repeated_lines_of_the_kafka_client_are_counted(out: io.StringIO) -> None:
    client = logging.getLogger(logs.CLIENT)
    assert [type(one) for one in client.filters] == [logs.Unrepeated]
    now_s = [0.0]
    client.filters = [logs.Unrepeated(lambda: now_s[0])]

    for _ in range(100):
        client.error("FAIL [rdkafka#consumer-%d] Connect failed (after %dms in state CONNECT)", 1, now_s[0])
        now_s[0] += 0.29
    client.error("FAIL another")
    now_s[0] = 31.0
    client.error("FAIL [rdkafka#consumer-%d] Connect failed (after %dms in state CONNECT)", 1, 5)

    said = [json.loads(line)["event"] for line in out.getvalue().splitlines()]
    assert said == [
        "FAIL [rdkafka#consumer-1] Connect failed (after 0ms in state CONNECT)",
        "FAIL another",
        "FAIL [rdkafka#consumer-1] Connect failed (after 5ms in state CONNECT) [99 more like this since the last one]",
    ]


def test_the_final_error_is_a_log_line_too(out: io.StringIO) -> None:
    assert logs.log_final_error(Stopped("topics do not meet the requirements:\n  one\n  two " + CANARY))

    [line] = out.getvalue().splitlines()
    said = json.loads(line)
    assert (said["event"], said["level"], said["kind"]) == ("ended", "critical", "Stopped")
    assert said["reason"] == "topics do not meet the requirements:\n  one\n  two ***"


def test_on_a_terminal_the_final_error_is_not_logged() -> None:
    stream = io.StringIO()
    logs.configure(level="info", form="console", stream=stream)

    assert not logs.log_final_error(Stopped("no"))
    assert stream.getvalue() == ""


def test_an_exception_that_no_caller_can_catch_is_logged(out: io.StringIO) -> None:
    class Unlucky:
        def __del__(self) -> None:
            raise RuntimeError(CANARY)

    gone = [Unlucky()]
    gone.clear()

    [line] = out.getvalue().splitlines()
    assert json.loads(line)["event"] == "exception that no caller can catch"
    assert CANARY not in out.getvalue()


def test_a_secret_is_cut_out_of_messages_values_and_tracebacks(out: io.StringIO) -> None:
    try:
        int(CANARY)
    except ValueError:
        structlog.get_logger().exception("signing with " + CANARY, key=CANARY, nested={"a": [CANARY]})
        logging.getLogger("library").exception("about %s", CANARY)

    assert CANARY not in out.getvalue()
    assert out.getvalue().count(logs.HIDDEN) >= 6
    assert "Traceback" in out.getvalue()


def test_a_crashing_thread_logs_no_secret(out: io.StringIO) -> None:
    def crash() -> None:
        raise RuntimeError(CANARY)

    thread = threading.Thread(target=crash)
    thread.start()
    thread.join()

    assert "thread crashed" in out.getvalue()
    assert CANARY not in out.getvalue()


def test_a_crashing_process_logs_no_secret() -> None:
    program = (
        "from connector import logs\n"
        "logs.configure(level='info', form='json')\n"
        f"logs.SCRUBBER.learn(['{CANARY}'])\n"
        f"raise RuntimeError('with ' + '{CANARY[:10]}' + '{CANARY[10:]}')\n"
    )

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert ran.returncode == 1
    assert "crashed" in ran.stderr
    assert CANARY not in ran.stderr + ran.stdout


def test_a_rotated_secret_is_hidden_beside_the_old_one() -> None:
    scrubber = logs.Scrubber()
    scrubber.learn(["old-secret"])
    scrubber.learn(["new-secret"])

    assert scrubber.clean("old-secret new-secret") == "*** ***"


def test_texts_too_short_for_a_secret_are_not_masked() -> None:
    scrubber = logs.Scrubber()
    scrubber.learn(["", "a"])

    assert scrubber.clean("banana") == "banana"
