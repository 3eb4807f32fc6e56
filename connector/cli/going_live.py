"""The commands that judge the connector before it writes: ``connector match-report`` and ``explain``."""

import re
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from connector.cli.moments import moment_us
from connector.cli.options import AsJson, ConfigFile, finish, loaded, output
from connector.operations.explain import explaining, showing
from connector.operations.explain.explaining import ExplainOptions
from connector.operations.json_output import show_json
from connector.operations.match_report import judging, report
from connector.operations.match_report.judging import MatchOptions
from streams.clock import SystemClock
from streams.errors import SettingsError
from streams.topics import TopicRange

_PLACE: Final = re.compile(r"(\d+):(\d+)")
_OFFSETS: Final = re.compile(r"(\d+):(\d*)-(\d*)")

From = Annotated[
    str | None,
    typer.Option("--from", help="Only events written since then: 2h (ago), or 2026-01-31T06:00:00 (UTC)."),
]
To = Annotated[str | None, typer.Option("--to", help="Only events written before then; as --from.")]
Offsets = Annotated[
    list[str] | None,
    typer.Option(
        "--offsets",
        metavar="PARTITION:FIRST-END",
        help="Only these offsets, END exclusive, and no other partition; repeatable. 0:100- has no end.",
    ),
]
CallsPerSecond = Annotated[
    float | None,
    typer.Option(
        "--calls-per-second",
        min=0.01,
        help="Calls to each account. Default: its whole rate if no process of the group runs, else its rate.reserve.",
    ),
]


def report_matches(
    config_file: ConfigFile = None,
    list_file: Annotated[
        Path | None,
        typer.Option(
            "--csv",
            help="Judge the offers of this file instead of the topic's; - is standard input. Columns: ean, and "
            "target_id, condition, offer_id, unit_id as in events; every other column is an attribute.",
        ),
    ] = None,
    since: From = None,
    until: To = None,
    offsets: Offsets = None,
    by: Annotated[
        list[str] | None, typer.Option("--by", help="Also group by this attribute of the events; repeatable.")
    ] = None,
    at_least: Annotated[
        str | None, typer.Option("--at-least", metavar="PERCENT", help="Exit with code 1 if fewer are found: 95%.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Write every offer with its outcome there, as CSV.")
    ] = None,
    without_state: Annotated[
        bool,
        typer.Option(
            "--without-state",
            help="Look up every offer, also those that the state topic knows. With --csv, no broker is needed then.",
        ),
    ] = False,
    calls_per_second: CallsPerSecond = None,
    as_json: AsJson = False,
) -> None:
    """Count for how many offers the marketplace has exactly one unit, before anything is written to it.

    Reads the offers of the offer changes topic, or of a list, and looks up those that the state topic does not know.
    Prints which are found, exist in another condition, are ambiguous, conflicting or nowhere; by storefront, condition,
    first seven digits of the EAN, and attribute, worst first. Makes read-only calls and writes to no topic.

    Exit code: 0 if all offers were judged and, with --at-least, enough of them were found; 1 if not, or if a look-up or
    a topic failed; 2 if the command line or the configuration must be changed.

    Example: connector match-report --from 7d --by brand --at-least 95% --file offers.csv
    """
    if list_file is not None and (since or until or offsets):
        raise SettingsError("--from, --to and --offsets select events of the topic; a list has none")
    least = None if at_least is None else per_cent("--at-least", at_least)
    options = MatchOptions(
        part=topic_range(since, until, offsets),
        list_file=list_file,
        with_state=not without_state,
        calls_per_second=calls_per_second,
    )
    settings, attributes = loaded(config_file).settings, by or ()
    plan = judging.judge(settings, options, _say)
    found = report.MatchReport(attributes, several_accounts=len(settings.accounts) > 1)
    for judged in plan.judged():
        found.add(judged)
    if file is not None:
        report.save(file, plan.judged(), attributes)
    if as_json:
        show_json(output(), report.document(found))
    else:
        report.show(output(), found)
    finish(good=found.is_complete and (least is None or found.total.share >= least))


def explain_event(
    event: Annotated[
        Path | None, typer.Argument(help="File with the event as JSON; - is standard input.", show_default=False)
    ] = None,
    config_file: ConfigFile = None,
    topic_offset: Annotated[
        str | None,
        typer.Option("--topic-offset", metavar="PARTITION:OFFSET", help="An event of the offer changes topic instead."),
    ] = None,
    look_up: Annotated[
        bool, typer.Option("--look-up", help="Make the look-ups that the event needs; without it, no call is made.")
    ] = False,
    without_state: Annotated[
        bool,
        typer.Option(
            "--without-state", help="As if nothing were known of the EAN. With a file, no broker is needed then."
        ),
    ] = False,
    calls_per_second: CallsPerSecond = None,
    as_json: AsJson = False,
) -> None:
    """Explain what the connector makes of one event: the units it may mean, the decision for each field, and the rule.

    Runs the offer flow in memory, with the state of the EAN, as if the event were read now. Sends nothing and writes to
    no topic. The JSON has the fields of OfferChanged: {"ean": "4006381333931", "target_id": "shop-de", "price": "19.99
    EUR", "stock": 5}. What is missing is null; occurred_at is a time or microseconds, by default now.

    Exit code: 0 if the event was explained, whatever the decision; 1 if there is no such event, or a topic or a look-up
    failed; 2 if the event, the command line or the configuration must be changed.

    Example: connector explain --topic-offset 0:1234 --look-up
    """
    if (event is None) is (topic_offset is None):
        raise SettingsError("name the event: either a file (- for standard input) or --topic-offset")
    options = ExplainOptions(
        text=None if event is None else _content(event),
        place=None if topic_offset is None else _place(topic_offset),
        look_up=look_up,
        with_state=not without_state,
        calls_per_second=calls_per_second,
    )
    explained = explaining.explain(loaded(config_file).settings, options)
    if as_json:
        show_json(output(), showing.document(explained))
    else:
        showing.show(output(), explained)


def per_cent(option: str, text: str) -> float:
    """Returns a share from a percentage such as ``95%``. Raises SettingsError."""
    try:
        share = float(text.strip().removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise SettingsError(f"{option} {text}: expected a percentage from 0% to 100%")
    return share


def topic_range(since: str | None, until: str | None, offsets: list[str] | None) -> TopicRange:
    """Returns the part of a topic that the options select. Raises SettingsError."""
    now_us = SystemClock().now().wall_us
    chosen = dict(map(_offsets, offsets or ()))
    if len(chosen) < len(offsets or ()):
        raise SettingsError("--offsets: a partition is named twice")
    return TopicRange(
        from_us=moment_us("--from", since, now_us),
        to_us=moment_us("--to", until, now_us),
        offsets=chosen or None,
    )


def _offsets(text: str) -> tuple[int, tuple[int, int | None]]:
    found = _OFFSETS.fullmatch(text)
    if found is None:
        raise SettingsError(f"--offsets {text}: expected PARTITION:FIRST-END, such as 0:100-200 or 0:100-")
    partition, first, end = found.groups()
    return int(partition), (int(first or 0), int(end) if end else None)


def _place(text: str) -> tuple[int, int]:
    found = _PLACE.fullmatch(text)
    if found is None:
        raise SettingsError(f"--topic-offset {text}: expected PARTITION:OFFSET, such as 0:1234")
    partition, offset = found.groups()
    return int(partition), int(offset)


def _content(file: Path) -> str:
    """Returns the content of a file; ``-`` is standard input. Raises SettingsError if it cannot be read."""
    if str(file) == "-":
        return sys.stdin.read()
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} cannot be read: {error}") from error


def _say(line: str) -> None:
    """Prints a line on standard error."""
    Console(stderr=True).print(line, markup=False, highlight=False, soft_wrap=True)
