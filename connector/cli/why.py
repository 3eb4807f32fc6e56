"""``connector why``: what is known of an EAN."""

from typing import Annotated

import typer

from connector.cli.moments import moment_us
from connector.cli.options import AsJson, ConfigFile, finish, loaded, output
from connector.cli.projection_options import ProjectionDirectory, Rebuild, check_target
from connector.operations.json_output import show_json
from connector.operations.projected import open_projected
from connector.operations.why import asking, document, showing
from streams.clock import SystemClock


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
