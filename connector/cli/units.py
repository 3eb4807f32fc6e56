"""``connector units``: the offers that the marketplace has, and why some are not live."""

from typing import Annotated

import typer

from connector.cli.options import AsJson, ConfigFile, finish, loaded, output
from connector.cli.projection_options import ProjectionDirectory, Rebuild
from connector.operations.json_output import show_json
from connector.operations.progress import counted
from connector.operations.projected import open_projected
from connector.operations.units import showing
from connector.operations.units.listing import Liveness, listing
from streams.errors import SettingsError, Stopped


def units(
    config_file: ConfigFile = None,
    only_not_live: Annotated[bool, typer.Option("--not-live", help="Leave out units that are live.")] = False,
    storefront: Annotated[str | None, typer.Option("--storefront", help="Only this storefront, such as de.")] = None,
    directory: ProjectionDirectory = None,
    rebuild: Rebuild = False,
    as_json: AsJson = False,
) -> None:
    """List the offers as the last sweep saw them, and why some are not live.

    Answers from the topic of units alone, which [reconcile] fills; reads it as `connector why` does, and calls nothing
    at the marketplace.

    Exit code: 0 if every unit is live; 1 if one is not, if no sweep has seen any, or if the topics cannot be read or
    [reconcile] is off; 2 if the command line or the configuration must be changed.

    Example: connector units --not-live --storefront de
    """
    settings = loaded(config_file).settings
    if not settings.reconcile.enabled:
        raise Stopped("no sweep fills the topic of units. Remedy: [reconcile] enabled = true")
    known = sorted({target.storefront for target in settings.targets.values()})
    if storefront is not None and storefront not in known:
        raise SettingsError(f"--storefront {storefront} is not configured; configured: {', '.join(known)}")
    with open_projected(settings, directory, rebuild=rebuild) as reader:
        rows, unreadable = reader.units()
        found = listing(counted(rows, "units read"), storefront=storefront, only_not_live=only_not_live)
    problems = tuple(unreadable)
    if as_json:
        show_json(output(), showing.document(found, problems))
    else:
        showing.show(output(), found, problems)
    finish(good=found.counts[Liveness.LIVE] == sum(found.counts.values()) > 0)
