"""``connector guard``: what guard rails hold now, and the decisions of people on it."""

from typing import Annotated

import typer

from connector.cli.controls import By, attribute_pair, authoring, known_names, normal_ean, stated
from connector.cli.options import AsJson, ConfigFile, finish, loaded, output
from connector.controls.commands import CommandScope, ControlState
from connector.offers.rails import Rail
from connector.operations.controls import showing
from connector.operations.guards import listing
from connector.operations.json_output import show_json
from connector.operations.topic_contents import offer_states
from connector.settings.model import Settings
from streams.clock import SystemClock
from streams.errors import Stopped

guard_cli = typer.Typer(
    help="Guard rails: limits of the configuration that hold a change instead of sending it.", no_args_is_help=True
)

Reason = Annotated[str, typer.Option("--reason", help="Why; the topic of controls keeps it.")]
Rails = Annotated[list[Rail] | None, typer.Option("--rail", help="Only what this guard rail holds; repeatable.")]
Targets = Annotated[list[str] | None, typer.Option("--target", help="Only this target id; repeatable.")]
Eans = Annotated[list[str] | None, typer.Option("--ean", help="Only this EAN; repeatable.")]
Attributes = Annotated[
    list[str] | None,
    typer.Option("--attribute", help="NAME=VALUE among the attributes of an event; repeatable, all must match."),
]


@guard_cli.command("list")
def list_held(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Count what guard rails hold now, by rail, target and source. Reads the whole state topic.

    Exit code: 0 if nothing is held; 1 if something is, or the topic cannot be read; 2 if the configuration must be
    changed.

    Example: connector guard list --json
    """
    groups = listing.held_groups(offer_states(loaded(config_file).settings))
    if as_json:
        show_json(output(), listing.document(groups))
    else:
        listing.show(output(), groups)
    finish(good=not groups)


@guard_cli.command("release")
def release_held(
    reason: Reason,
    config_file: ConfigFile = None,
    rail: Rails = None,
    target: Targets = None,
    ean: Eans = None,
    attribute: Attributes = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Send what guard rails hold now, the newest values once; what comes later is judged anew.

    Exit code: 0 if the decision is written; 1 if it cannot be; 2 if the command line or the configuration must be
    changed.

    Example: connector guard release --rail price_step --target shop-de --reason "the new price list is right"
    """
    settings = loaded(config_file).settings
    scope = _scope(settings, target, ean, attribute)
    _decide(settings, ControlState.RELEASED, rail, scope, reason, by, as_json=as_json)


@guard_cli.command("drop")
def drop_held(
    reason: Reason,
    config_file: ConfigFile = None,
    rail: Rails = None,
    target: Targets = None,
    ean: Eans = None,
    attribute: Attributes = None,
    by: By = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: AsJson = False,
) -> None:
    """Discard what guard rails hold now. Only a replay, or a new event, brings such a change back.

    Exit code: 0 if the decision is written; 1 if it cannot be, or you did not confirm; 2 if the command line or the
    configuration must be changed.

    Example: connector guard drop --rail price_step --attribute brand=Globex --reason "cents sent as euros" --yes
    """
    settings = loaded(config_file).settings
    scope = _scope(settings, target, ean, attribute)
    if not yes and not typer.confirm("Discard what guard rails hold?", err=True):
        raise Stopped("nothing was dropped")
    _decide(settings, ControlState.DROPPED, rail, scope, reason, by, as_json=as_json)


def _scope(
    settings: Settings, target: list[str] | None, ean: list[str] | None, attribute: list[str] | None
) -> CommandScope:
    return CommandScope(
        target_ids=known_names(settings, "target", target),
        eans=tuple(map(normal_ean, ean or ())),
        attributes=dict(map(attribute_pair, attribute or ())),
    )


def _decide(
    settings: Settings,
    state: ControlState,
    rails: list[Rail] | None,
    scope: CommandScope,
    reason: str,
    by: str | None,
    *,
    as_json: bool,
) -> None:
    guards = tuple(dict.fromkeys(rail.value for rail in rails or ()))
    with authoring(settings, by) as author:
        command = author.decide(state, guards, scope, reason=stated(reason))
    if as_json:
        show_json(output(), showing.document(command, SystemClock().now().wall_us))
    else:
        showing.show_decision(output(), command)
