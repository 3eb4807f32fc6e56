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
from streams.flow import Notice

CANARY = "canary-5c0ffee5-secret"


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook)
    before = root.handlers, root.level
    stream = io.StringIO()
    logs.configure(level="info", form="json", stream=stream)
    logs.SCRUBBER.learn([CANARY])
    yield stream
    root.handlers, root.level = before
    sys.excepthook, threading.excepthook = hooks
    structlog.reset_defaults()


def test_a_line_is_one_json_object_with_time_level_and_event(out: io.StringIO) -> None:
    structlog.get_logger().info("partition opened", partition=3)

    line = json.loads(out.getvalue())
    assert (line["event"], line["partition"], line["level"]) == ("partition opened", 3, "info")
    assert line["timestamp"].endswith("Z")


def test_what_libraries_log_takes_the_same_form(out: io.StringIO) -> None:
    logging.getLogger("some.library").warning("slow: %s", 3)

    assert json.loads(out.getvalue())["event"] == "slow: 3"


def test_what_the_runtime_says_has_its_level_and_fields(out: io.StringIO) -> None:
    logs.write_notice(Notice(event="partition_broken", level="error", fields={"partition": 3}))

    line = json.loads(out.getvalue())
    assert (line["event"], line["level"], line["partition"]) == ("partition_broken", "error", 3)


def test_a_secret_is_cut_out_of_messages_values_and_tracebacks(out: io.StringIO) -> None:
    try:
        int(CANARY)
    except ValueError:
        structlog.get_logger().exception("signing with " + CANARY, key=CANARY, nested={"a": [CANARY]})
        logging.getLogger("library").exception("about %s", CANARY)

    assert CANARY not in out.getvalue()
    assert out.getvalue().count(logs.HIDDEN) >= 6
    assert "Traceback" in out.getvalue()


def test_a_thread_that_crashes_tells_no_secret(out: io.StringIO) -> None:
    def crash() -> None:
        raise RuntimeError(CANARY)

    thread = threading.Thread(target=crash)
    thread.start()
    thread.join()

    assert "thread crashed" in out.getvalue()
    assert CANARY not in out.getvalue()


def test_a_process_that_crashes_tells_no_secret() -> None:
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


def test_what_is_too_short_to_be_a_secret_does_not_cut_up_words() -> None:
    scrubber = logs.Scrubber()
    scrubber.learn(["", "a"])

    assert scrubber.clean("banana") == "banana"
