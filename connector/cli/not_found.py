"""``connector not-found``: the offers that are not found, by pattern."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from connector.cli.options import AsJson, ConfigFile, finish, loaded, output
from connector.cli.projection_options import ProjectionDirectory, Rebuild, check_target
from connector.offers.events import OfferNotFound
from connector.operations.json_output import show_json
from connector.operations.not_found import file as not_found_file
from connector.operations.not_found import patterns
from connector.operations.not_found import showing as not_found_showing
from connector.operations.not_found.catalogue import NOT_ASKED, CatalogueAnswers
from connector.operations.not_found.reasons import reason_with
from connector.operations.not_found.swept import with_swept
from connector.operations.projected import default_directory, open_projected
from connector.settings.model import Settings
from streams.clock import SystemClock
from streams.errors import SettingsError

DAY_US: Final = 86_400_000_000
DEFAULT_MOST: Final = 100
"""Look-ups in the catalogue: 50 s of the part of 100 calls/s that is reserved by default."""


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
    catalogue: Annotated[
        bool,
        typer.Option("--catalogue", help="Ask the marketplace's catalogue for EANs of which there is no unit."),
    ] = False,
    most: Annotated[
        int, typer.Option("--most", min=1, help="EANs that --catalogue asks for at most, the most valuable first.")
    ] = DEFAULT_MOST,
    directory: ProjectionDirectory = None,
    rebuild: Rebuild = False,
    as_json: AsJson = False,
) -> None:
    """Group the offers that events ask for and that are not found now, with the likely reason, most offers first.

    Answers from the topics alone, as `connector why` does. The reason is what the last look-up has shown: nothing,
    several units, or units in another condition or on another storefront; and, with [reconcile], what the last sweep
    has seen of the EAN in the account.

    With --catalogue, the marketplace is asked whether its catalogue has the EANs of which there is no unit. These calls
    use the part of the account's rate that is reserved for the command line (rate.reserve), which no running process
    uses, and an answer is not asked for again within a day. Nothing is created.

    Exit code: 0 if the topics were read, whether or not an offer is missing; 1 if they cannot be read, a look-up in the
    catalogue failed or the file cannot be written; 2 if the command line or the configuration must be changed.

    Example: connector not-found --by brand,reason --today --out not-found.csv
    """
    settings, now_us = loaded(config_file).settings, SystemClock().now().wall_us
    names = [name for name in dict.fromkeys(part.strip() for part in by.split(",")) if name]
    if not names:
        raise SettingsError("--by names nothing to group by, such as brand,target,code")
    check_target(settings, target)
    with open_projected(settings, directory, rebuild=rebuild) as reader:
        rows, unreadable = reader.not_found()
        rows = list(with_swept(rows, reader.units_of(sorted({row.ean for row in rows}))))
    since_us = now_us - now_us % DAY_US if today else None
    rows = list(patterns.chosen(rows, target=target, first_seen_us=since_us))
    answers = _asked(settings, rows, directory, most) if catalogue else NOT_ASKED
    if file is not None:
        not_found_file.save(file, rows, [name for name in names if name not in patterns.NAMES], answers)
    found = patterns.report(rows, names, lambda row: reason_with(row, answers))
    if as_json:
        show_json(output(), not_found_showing.document(found, unreadable, answers if catalogue else None))
    else:
        not_found_showing.show(output(), found, unreadable, now_us, answers if catalogue else None)
    finish(good=not answers.failures)


def _asked(settings: Settings, rows: Sequence[OfferNotFound], directory: Path | None, most: int) -> CatalogueAnswers:
    """Asks the catalogue; imports the marketplace's adapter, which the command does not need otherwise."""
    from connector.operations.not_found.looking_up import look_up

    return look_up(settings, rows, most=most, directory=directory or default_directory(os.environ), say=_say)


def _say(line: str) -> None:
    """Prints a line on standard error."""
    Console(stderr=True).print(line, markup=False, highlight=False, soft_wrap=True)
