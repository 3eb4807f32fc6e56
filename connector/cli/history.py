"""The commands that answer from the topics' history: ``connector why`` and ``connector not-found``."""

from pathlib import Path
from typing import Annotated

import typer

from connector import configuration
from connector.cli.moments import moment_us
from connector.cli.options import AsJson, ConfigFile, finish, loaded, output
from connector.operations.json_output import show_json
from connector.operations.not_found import file as not_found_file
from connector.operations.not_found import patterns
from connector.operations.not_found import showing as not_found_showing
from connector.operations.projected import open_projected
from connector.operations.why import asking, document, showing
from connector.settings.model import Settings
from streams.clock import SystemClock
from streams.errors import SettingsError

PROJECTION = "CONNECTOR_PROJECTION"
DAY_US = 86_400_000_000

ProjectionDirectory = Annotated[
    Path | None,
    typer.Option(
        "--projection",
        envvar=PROJECTION,
        metavar="DIR",
        help="Where to keep what was read from the topics, for the next time. Default: the user's cache directory.",
    ),
]
Rebuild = Annotated[bool, typer.Option("--rebuild", help="Read the topics from the beginning again.")]


def why(
    ean: Annotated[str, typer.Argument(metavar="EAN")],
    config_file: ConfigFile = None,
    at: Annotated[
        str | None,
        typer.Option("--at", help="As it was then: 2h (ago), or 2026-01-31T06:00:00 (UTC). Default: now."),
    ] = None,
    target: Annotated[str | None, typer.Option("--target", help="Only this target id.")] = None,
    directory: ProjectionDirectory = None,
    rebuild: Rebuild = False,
    as_json: AsJson = False,
) -> None:
    """Explain what the marketplace holds for an EAN, which event won and who lost to it, and what waits for what.

    Answers from the topics alone, as far back as they reach. The first time, all of them are read, into a file; later,
    only what is new. Reads only; calls nothing at the marketplace.

    Exit code: 0 if something is known of the EAN; 1 if nothing is, or if the topics cannot be read; 2 if the command
    line or the configuration must be changed.

    Example: connector why 4006381333931 --at 2026-01-31T06:00:00
    """
    settings, now_us = loaded(config_file).settings, SystemClock().now().wall_us
    at_us = moment_us("--at", at, now_us)
    check_target(settings, target)
    with open_projected(settings, directory, rebuild=rebuild) as reader:
        found = asking.answer(settings, reader, ean, now_us=now_us, at_us=at_us, target=target)
    if as_json:
        show_json(output(), document.document(found))
    else:
        showing.show(output(), found)
    finish(good=found.is_known)


def not_found(
    config_file: ConfigFile = None,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            help="Group by these, separated by commas: target, account, storefront, condition, code, reason, prefix "
            "(seven digits of the EAN); any other name is an attribute of the events.",
        ),
    ] = "brand,target,code",
    target: Annotated[str | None, typer.Option("--target", help="Only this target id.")] = None,
    today: Annotated[bool, typer.Option("--today", help="Only offers first met today (UTC).")] = False,
    file: Annotated[Path | None, typer.Option("--out", help="Write each offer there, as CSV.")] = None,
    directory: ProjectionDirectory = None,
    rebuild: Rebuild = False,
    as_json: AsJson = False,
) -> None:
    """Group the offers that events ask for and that are not found now, with the likely reason, most offers first.

    Answers from the topics alone, as `connector why` does. The reason is what the last look-up has shown: nothing,
    several units, or units in another condition or on another storefront.

    Exit code: 0 if the topics were read, whether or not an offer is missing; 1 if they cannot be read or the file
    cannot be written; 2 if the command line or the configuration must be changed.

    Example: connector not-found --by brand,reason --today --out not-found.csv
    """
    settings, now_us = loaded(config_file).settings, SystemClock().now().wall_us
    names = [name for name in dict.fromkeys(part.strip() for part in by.split(",")) if name]
    if not names:
        raise SettingsError("--by names nothing to group by, such as brand,target,code")
    check_target(settings, target)
    with open_projected(settings, directory, rebuild=rebuild) as reader:
        rows, unreadable = reader.not_found()
    since_us = now_us - now_us % DAY_US if today else None
    rows = list(patterns.chosen(rows, target=target, first_seen_us=since_us))
    if file is not None:
        not_found_file.save(file, rows, [name for name in names if name not in patterns.NAMES])
    found = patterns.report(rows, names)
    if as_json:
        show_json(output(), not_found_showing.document(found, unreadable))
    else:
        not_found_showing.show(output(), found, unreadable, now_us)


def check_target(settings: Settings, target: str | None) -> None:
    """Raises SettingsError if the target is not configured."""
    targets = configuration.routing(settings).targets
    if target is not None and target not in targets:
        raise SettingsError(f"--target {target} is not configured; configured: {', '.join(sorted(targets))}")
