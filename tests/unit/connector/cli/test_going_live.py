"""The options of the commands that judge before going live."""

import pytest
from typer.testing import CliRunner

from connector.cli.going_live import per_cent, topic_range
from connector.cli.main import cli
from streams.errors import SettingsError
from streams.topics import WHOLE_TOPIC, TopicRange


@pytest.mark.parametrize(
    ("text", "share"), [("95%", 0.95), ("95", 0.95), (" 0.5 % ", 0.005), ("0%", 0.0), ("100%", 1.0)]
)
def test_a_percentage_is_a_share(text: str, share: float) -> None:
    assert per_cent("--at-least", text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "most", "-1%", "101%", "nan", "inf"])
def test_what_is_no_percentage_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="--at-least"):
        per_cent("--at-least", text)


def test_a_range_is_of_times_and_of_offsets() -> None:
    assert topic_range(None, None, None) == WHOLE_TOPIC
    assert topic_range("2026-01-31", "2026-01-31T06:00:00", None) == TopicRange(
        from_us=1_769_817_600_000_000, to_us=1_769_839_200_000_000
    )
    assert topic_range(None, None, ["0:5-9", "2:7-", "3:-4"]) == TopicRange(
        offsets={0: (5, 9), 2: (7, None), 3: (0, 4)}
    )


@pytest.mark.parametrize(
    "arguments", [[], ["event.json", "--topic-offset", "0:1"], ["--topic-offset", "1"], ["no.json"]]
)
def test_one_event_must_be_named(arguments: list[str]) -> None:
    done = CliRunner().invoke(cli, ["explain", *arguments])

    assert isinstance(done.exception, SettingsError)


@pytest.mark.parametrize("offsets", [["0"], ["0:5"], ["x:1-2"], ["0:1-2", "1"], ["0:1-2", "0:7-9"]])
def test_offsets_that_mean_nothing_are_refused(offsets: list[str]) -> None:
    with pytest.raises(SettingsError, match="--offsets"):
        topic_range(None, None, offsets)


@pytest.mark.parametrize("command", ["match-report", "explain"])
def test_a_command_explains_itself_its_exit_codes_and_an_example(command: str) -> None:
    done = CliRunner().invoke(cli, [*command.split(), "--help"])

    assert done.exit_code == 0
    for part in ("--config", "--json", "Exit code: 0", f"Example: connector {command}"):
        assert part in done.stdout
