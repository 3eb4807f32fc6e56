"""``connector not-found``: the offers that are not found, by pattern."""

from pathlib import Path
from typing import Annotated, Final

import typer

from connector.cli.options import AsJson, ConfigFile, loaded, output
from connector.cli.projection_options import ProjectionDirectory, Rebuild, check_target
from connector.operations.json_output import show_json
from connector.operations.not_found import file as not_found_file
from connector.operations.not_found import patterns
from connector.operations.not_found import showing as not_found_showing
from connector.operations.not_found.swept import with_swept
from connector.operations.projected import open_projected
from streams.clock import SystemClock
from streams.errors import SettingsError

DAY_US: Final = 86_400_000_000


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
    several units, or units in another condition or on another storefront; and, with [reconcile], what the last sweep
    has seen of the EAN in the account.

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
        rows = list(with_swept(rows, reader.units_of(sorted({row.ean for row in rows}))))
    since_us = now_us - now_us % DAY_US if today else None
    rows = list(patterns.chosen(rows, target=target, first_seen_us=since_us))
    if file is not None:
        not_found_file.save(file, rows, [name for name in names if name not in patterns.NAMES])
    found = patterns.report(rows, names)
    if as_json:
        show_json(output(), not_found_showing.document(found, unreadable))
    else:
        not_found_showing.show(output(), found, unreadable, now_us)
