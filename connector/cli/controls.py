"""``connector hold``, ``pause``, ``resume`` and ``writes``: commands of people that every process obeys."""

import getpass
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from secrets import token_hex
from typing import Annotated

import typer

from connector import configuration
from connector.cli.options import AsJson, ConfigFile, finish, loaded, output
from connector.controls.commands import CommandScope, ControlCommand, ControlKind, ControlState
from connector.marketplace.offers import Field
from connector.offers.gtin import GtinError, normal_form
from connector.operations.controls import showing
from connector.operations.controls.giving import CommandAuthor
from connector.operations.controls.topic import open_control_topic
from connector.operations.json_output import show_json
from connector.settings.duration import seconds
from connector.settings.model import Settings
from streams.clock import SystemClock
from streams.errors import SettingsError

hold_cli = typer.Typer(
    help="Holds: changes that must not be sent now. They wait, merge with newer ones, and are sent after the release.",
    no_args_is_help=True,
)
writes_cli = typer.Typer(help="The switch that stops every write to the marketplace.", no_args_is_help=True)

Reason = Annotated[str, typer.Option("--reason", help="Why; results and `hold list` repeat it.")]
By = Annotated[str | None, typer.Option("--by", help="Who gives the command. Default: the name of the user.")]
For = Annotated[str | None, typer.Option("--for", help="How long, such as 30m, 4h or 2d. Default: until released.")]
OneAccount = Annotated[str | None, typer.Option("--account", help="All changes of this account.")]
OneTarget = Annotated[str | None, typer.Option("--target", help="All changes of this target.")]
CommandId = Annotated[str, typer.Argument(help="Id of the command, as `connector hold list` prints it.")]


@hold_cli.command("add")
def add_hold(
    reason: Reason,
    config_file: ConfigFile = None,
    account: Annotated[list[str] | None, typer.Option("--account", help="Only this account; repeatable.")] = None,
    target: Annotated[list[str] | None, typer.Option("--target", help="Only this target id; repeatable.")] = None,
    storefront: Annotated[list[str] | None, typer.Option("--storefront", help="Such as de; repeatable.")] = None,
    brand: Annotated[str | None, typer.Option("--brand", help="Short for --attribute brand=NAME.")] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option("--attribute", help="NAME=VALUE among the attributes of an event; repeatable, all must match."),
    ] = None,
    ean: Annotated[list[str] | None, typer.Option("--ean", help="Only this EAN; repeatable.")] = None,
    field: Annotated[
        list[Field] | None, typer.Option("--field", help="Only this field of each event; repeatable.")
    ] = None,
    lasting: For = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Hold changes that meet all the restrictions given; at least one is required.

    Held changes wait: newer ones take their place, and the release sends the newest. Stock to zero is held as well.
    `connector pause` holds a whole account or target, and `connector writes stop` stops everything at once.

    Exit code: 0 if the hold is in force; 1 if it cannot be written; 2 if the command line or the configuration must be
    changed.

    Example: connector hold add --brand Y --field price --reason "wrong price list" --for 4h
    """
    settings = loaded(config_file).settings
    attributes = dict(map(attribute_pair, attribute or ()))
    if brand is not None:
        attributes["brand"] = brand
    scope = CommandScope(
        accounts=known_names(settings, "account", account),
        target_ids=known_names(settings, "target", target),
        storefronts=known_names(settings, "storefront", storefront),
        eans=tuple(map(normal_ean, ean or ())),
        attributes=attributes,
        fields=tuple(dict.fromkeys(one.value for one in field or ())),
    )
    if scope == CommandScope():
        raise SettingsError(
            "a hold needs at least one restriction. To hold a whole account: connector pause --account NAME; to stop "
            "every write: connector writes stop"
        )
    why, for_s = stated(reason), _seconds(lasting)
    with authoring(settings, by) as author:
        _show_given(author.give(ControlKind.HOLD, scope, reason=why, for_s=for_s), as_json=as_json)


@hold_cli.command("list")
def list_holds(
    config_file: ConfigFile = None,
    everything: Annotated[bool, typer.Option("--all", help="Also commands that are over.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the commands in force, oldest first: holds, pauses and stopped writes.

    Exit code: 0 if they could be read, also if there is none; 1 if they cannot be read; 2 if the configuration must be
    changed.

    Example: connector hold list --all
    """
    now_us = SystemClock().now().wall_us
    with open_control_topic(loaded(config_file).settings) as topic:
        found = [
            command
            for command in topic.commands()
            if command.kind is not ControlKind.REPLAY
            and (everything or command.state_at(now_us) is ControlState.IN_FORCE)
        ]
    if as_json:
        show_json(output(), [showing.document(command, now_us) for command in found])
    else:
        showing.show_list(output(), found, now_us)


@hold_cli.command("release")
def release_hold(command_id: CommandId, config_file: ConfigFile = None, by: By = None, as_json: AsJson = False) -> None:
    """End a hold or a pause; the newest values that it held are sent.

    Exit code: 0 if it is released, also if it was before; 1 if there is none with this id or it was dropped; 2 if the
    command line or the configuration must be changed.

    Example: connector hold release hold-3f9a1c2e
    """
    with authoring(loaded(config_file).settings, by) as author:
        _show_ended(author.end(author.find(command_id), ControlState.RELEASED), as_json=as_json)


@hold_cli.command("drop")
def drop_hold(
    command_id: CommandId,
    config_file: ConfigFile = None,
    by: By = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: AsJson = False,
) -> None:
    """End a hold or a pause, and discard every change that it covers and that is pending.

    Only a replay, or a new event, brings such a change back.

    Exit code: 0 if it is dropped, also if it was before; 1 if there is none with this id, it was released, or you did
    not confirm; 2 if the command line or the configuration must be changed.

    Example: connector hold drop hold-3f9a1c2e --yes
    """
    with authoring(loaded(config_file).settings, by) as author:
        command = author.find(command_id)
        if not yes:
            typer.confirm(f"Discard every pending change that {command_id} covers?", abort=True, err=True)
        _show_ended(author.end(command, ControlState.DROPPED), as_json=as_json)


def pause(
    reason: Reason,
    config_file: ConfigFile = None,
    account: OneAccount = None,
    target: OneTarget = None,
    lasting: For = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Hold every change of offers of an account or a target; parcels are still confirmed.

    Exit code: 0 if it is paused, also if it was before; 1 if the command cannot be written; 2 if the command line or
    the configuration must be changed.

    Example: connector pause --target shop-de --reason "prices are being checked" --for 2h
    """
    settings = loaded(config_file).settings
    scope, why, for_s = _place(settings, account, target), stated(reason), _seconds(lasting)
    with authoring(settings, by) as author:
        already = [command for command in author.in_force(ControlKind.PAUSE) if command.scope == scope]
        command = already[0] if already else author.give(ControlKind.PAUSE, scope, reason=why, for_s=for_s)
        _show_given(command, as_json=as_json)


def resume(
    config_file: ConfigFile = None,
    account: OneAccount = None,
    target: OneTarget = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """End the pauses of an account or a target; the newest values that they held are sent.

    Exit code: 0 if it is not paused any more; 1 if it was not paused; 2 if the command line or the configuration must
    be changed.

    Example: connector resume --target shop-de
    """
    settings = loaded(config_file).settings
    scope = _place(settings, account, target)
    with authoring(settings, by) as author:
        paused = [command for command in author.in_force(ControlKind.PAUSE) if command.scope == scope]
        _end_all(author, paused, "it is not paused; `connector hold list` shows what is in force", as_json=as_json)


@writes_cli.command("stop")
def stop_writes(
    reason: Reason,
    config_file: ConfigFile = None,
    account: Annotated[str | None, typer.Option("--account", help="Only this account. Default: every account.")] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Stop every write to the marketplace, of offers and parcels alike, in every process within seconds.

    Events are read, merged and looked up as before, and orders are polled. What would be written waits, without a
    result, until a person resumes. Calls that have left already are not called back.

    Exit code: 0 if writes are stopped, also if they were before; 1 if the command cannot be written; 2 if the command
    line or the configuration must be changed.

    Example: connector writes stop --reason "wrong prices on every storefront"
    """
    settings = loaded(config_file).settings
    scope = CommandScope(accounts=known_names(settings, "account", [account] if account is not None else None))
    why = stated(reason)
    with authoring(settings, by) as author:
        already = [command for command in author.in_force(ControlKind.STOP_WRITES) if command.scope == scope]
        command = already[0] if already else author.give(ControlKind.STOP_WRITES, scope, reason=why)
    if as_json:
        show_json(output(), showing.document(command, SystemClock().now().wall_us))
    else:
        showing.show_stopped(output(), command)


@writes_cli.command("resume")
def resume_writes(
    config_file: ConfigFile = None,
    account: Annotated[
        str | None,
        typer.Option("--account", help="Only a stop of this account. Default: every stop."),
    ] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Resume writes; what waited is sent, the newest values only.

    Exit code: 0 if writes are not stopped any more; 1 if they were not stopped, or still are by another command; 2 if
    the command line or the configuration must be changed.

    Example: connector writes resume
    """
    settings = loaded(config_file).settings
    names = known_names(settings, "account", [account] if account is not None else None)
    with authoring(settings, by) as author:
        stops = author.in_force(ControlKind.STOP_WRITES)
        meant = [command for command in stops if not names or command.scope.accounts == names]
        others = [command for command in stops if command not in meant and not command.scope.accounts]
        missing = "no command stops these writes alone" if others else "writes are not stopped"
        _end_all(author, meant, missing, others, as_json=as_json)


# ---- what the commands share ----------------------------------------------------------------------------------------


@contextmanager
def authoring(settings: Settings, by: str | None) -> Iterator[CommandAuthor]:
    """Opens the topic of controls for a person. ``by`` None: the name of the user."""
    with open_control_topic(settings) as topic:
        yield CommandAuthor(topic, by=by or _user(), now_us=SystemClock().now().wall_us, new_id=lambda: token_hex(4))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise SettingsError("this user has no name. Pass --by") from None


def _show_given(command: ControlCommand, *, as_json: bool) -> None:
    if as_json:
        show_json(output(), showing.document(command, SystemClock().now().wall_us))
    else:
        showing.show_given(output(), command)


def _show_ended(command: ControlCommand, *, as_json: bool) -> None:
    now_us = SystemClock().now().wall_us
    if as_json:
        show_json(output(), showing.document(command, now_us))
    else:
        showing.show_ended(output(), command, now_us)


def _end_all(
    author: CommandAuthor,
    commands: Iterable[ControlCommand],
    missing: str,
    others: Iterable[ControlCommand] = (),
    *,
    as_json: bool,
) -> None:
    """Releases commands and prints them; ``missing`` is what to print if there is none, ``others`` stay in force."""
    now_us = SystemClock().now().wall_us
    ended = [author.end(command, ControlState.RELEASED) for command in commands]
    if as_json:
        show_json(output(), [showing.document(command, now_us) for command in (*ended, *others)])
    else:
        for command in ended:
            showing.show_ended(output(), command, now_us)
        if not ended:
            output().print(f"Nothing was released: {missing}.", markup=False, highlight=False)
        showing.show_still_stopped(output(), list(others))
    finish(good=bool(ended) and not list(others))


def stated(reason: str) -> str:
    """Returns the reason. Raises SettingsError if it is empty."""
    if not reason.strip():
        raise SettingsError("--reason must not be empty: results repeat it")
    return reason.strip()


def _seconds(lasting: str | None) -> float | None:
    if lasting is None:
        return None
    try:
        for_s = seconds(lasting)
    except ValueError as error:
        raise SettingsError(f"--for: {error}") from error
    if not 1 <= for_s < float("inf"):
        raise SettingsError("--for: expected at least 1s; without --for, it lasts until it is released")
    return for_s


def attribute_pair(given: str) -> tuple[str, str]:
    """Returns name and value of ``NAME=VALUE``. Raises SettingsError."""
    name, equals, value = given.partition("=")
    if not equals or not name:
        raise SettingsError(f"--attribute {given}: expected NAME=VALUE")
    return name, value


def normal_ean(given: str) -> str:
    """Returns an EAN in its normal form. Raises SettingsError."""
    try:
        return normal_form(given)
    except GtinError as error:
        raise SettingsError(f"--ean {given}: {error}") from error


def _place(settings: Settings, account: str | None, target: str | None) -> CommandScope:
    """Returns the scope of a pause. Raises SettingsError unless exactly one of the two is given, and is configured."""
    if (account is None) == (target is None):
        raise SettingsError("pass either --account or --target")
    return CommandScope(
        accounts=known_names(settings, "account", [account] if account is not None else None),
        target_ids=known_names(settings, "target", [target] if target is not None else None),
    )


def known_names(settings: Settings, what: str, given: list[str] | None) -> tuple[str, ...]:
    """Returns the names without repetitions. Raises SettingsError for one that is not configured."""
    targets = configuration.routing(settings).targets
    configured: set[str] = {
        "account": set(settings.accounts),
        "target": set(targets),
        "storefront": {target.storefront for target in targets.values()},
    }[what]
    unknown = sorted(set(given or ()) - configured)
    if unknown:
        raise SettingsError(
            f"--{what} {', '.join(unknown)} is not configured; configured: {', '.join(sorted(configured))}"
        )
    return tuple(dict.fromkeys(given or ()))
