"""The commands ``connector shadow ...``: what another system did, beside what a dry run would have done."""

from pathlib import Path
from typing import Annotated

import typer

from connector import configuration
from connector.cli.going_live import per_cent
from connector.cli.options import AsJson, ConfigFile, finish, loaded, output
from connector.connections import administration
from connector.contracts.microseconds import us
from connector.contracts.topics import Feature
from connector.operations import topic_contents
from connector.operations.json_output import show_json
from connector.operations.progress import counted
from connector.operations.shadow import report
from connector.operations.shadow.comparing import ObservedUnits, compare
from connector.operations.shadow.decisions import Decisions
from connector.settings import convert
from streams.errors import SettingsError, Stopped

shadow_cli = typer.Typer(help="Compare a dry run with the system that writes to the marketplace now.")


@shadow_cli.command("compare")
def compare_shadow(
    config_file: ConfigFile = None,
    at_least: Annotated[
        str | None,
        typer.Option("--at-least", metavar="PERCENT", help="Exit with code 1 if fewer compared offers agree: 95%."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Write every value with what was found there, as CSV.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare what the marketplace shows, whoever wrote it, with what the dry run would have written.

    Reads the topics that `connector run --dry-run` writes with [reconcile] enabled: its results, and the units that its
    sweeps observe. Prints how many offers agree, what differs by kind with the worst examples, and how many offers the
    dry run could not send. A value observed less than [reconcile] settle after the dry run had decided is not
    comparable yet, and no difference. Calls nothing and writes to no topic.

    Exit code: 0 if the topics were read and, with --at-least, enough of the compared offers agree; 1 if not, or with
    --at-least if no offer can be compared yet; 2 if the command line or the configuration must be changed.

    Example: connector shadow compare --at-least 95% --file differences.csv
    """
    least = None if at_least is None else per_cent("--at-least", at_least)
    settings = loaded(config_file).settings
    topics = convert.topics(convert.dry_run(settings))
    if Feature.RECONCILE not in topics.features:
        raise SettingsError("a dry run observes units only with [reconcile] enabled = true: set it, and run it again")
    known = administration(settings).topic_ids([topics.units, topics.offer_results])
    for topic in (topics.units, topics.offer_results):
        if topic not in known:
            raise Stopped(
                f"the topic {topic} does not exist. Remedy: connector topics --create --dry-run, then connector run "
                "--dry-run until its sweeps have ended"
            )
    units, decisions = ObservedUnits(), Decisions()
    # units first: what the dry run has decided since then makes an observation too old, and is no difference
    for row in counted(topic_contents.observed_units(settings, topics.units), "units read"):
        units.take(row)
    for result in counted(topic_contents.offer_results(settings, topic=topics.offer_results), "results read"):
        decisions.take(result)
    settle_s = settings.reconcile.settle
    routing = configuration.routing(settings)
    found = report.ShadowReport(settle_s)
    compared = compare(decisions.offers(), units, routing, us(settle_s))
    for one in compared if file is None else report.saved(file, compared):
        found.add(one)
    if as_json:
        show_json(output(), report.document(found))
    else:
        report.show(output(), found)
    finish(good=least is None or (found.share is not None and found.share >= least))
