"""What the commands share that answer from the projection of the topics."""

from pathlib import Path
from typing import Annotated, Final

import typer

from connector import configuration
from connector.settings.model import Settings
from streams.errors import SettingsError

PROJECTION: Final = "CONNECTOR_PROJECTION"

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


def check_target(settings: Settings, target: str | None) -> None:
    """Raises SettingsError if the target is not configured."""
    targets = configuration.routing(settings).targets
    if target is not None and target not in targets:
        raise SettingsError(f"--target {target} is not configured; configured: {', '.join(sorted(targets))}")
