"""``connector replay``: read a part of the input of offers again, beside live events."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Annotated

import typer

from connector.cli.controls import By, attribute_pair, authoring, known_names, normal_ean, stated
from connector.cli.going_live import From, Offsets, To, topic_range
from connector.cli.options import AsJson, ConfigFile, finish, loaded, output
from connector.offers.events import Status
from connector.operations.json_output import json_text, show_json
from connector.operations.progress import counted
from connector.operations.replay import forecasting, showing, watching
from connector.operations.replay import plan as plans
from connector.operations.replay.running import ReplayControl
from connector.operations.replay.selection import ReplaySelection, resolve
from connector.operations.replay.showing import ForecastReport
from connector.operations.topic_contents import offer_results, replay_progress
from connector.settings import convert
from connector.settings.convert import allow_list
from connector.settings.model import Settings
from streams.errors import SettingsError

replay_cli = typer.Typer(
    help="Replays: records of the input of offers are read again beside live events, at the lowest priority.",
    no_args_is_help=True,
)

Eans = Annotated[list[str] | None, typer.Option("--ean", help="Only this EAN; repeatable.")]
EansFile = Annotated[Path | None, typer.Option("--eans-file", help="Only the EANs of this file, one per line.")]
Targets = Annotated[list[str] | None, typer.Option("--target", help="Only events of this target id; repeatable.")]
Attributes = Annotated[
    list[str] | None,
    typer.Option("--attribute", help="NAME=VALUE among the attributes of an event; repeatable, all must match."),
]
Statuses = Annotated[
    str | None,
    typer.Option(
        "--status",
        metavar="STATUS,...",
        help="Only EANs whose newest result for an offer has one of these statuses, such as NOT_FOUND,FAILED.",
    ),
]
ReplayId = Annotated[str, typer.Argument(help="Id of the replay, as `connector replay status` prints it.")]


@replay_cli.command("plan")
def plan_replay(
    config_file: ConfigFile = None,
    since: From = None,
    until: To = None,
    offsets: Offsets = None,
    ean: Eans = None,
    eans_file: EansFile = None,
    target: Targets = None,
    attribute: Attributes = None,
    status: Statuses = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the plan there, for `connector replay run`.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a replay would do, without doing it.

    Reads the selected records and the states of their EANs, and runs the offer flow in memory: how each event would
    end, which values would be sent, and how many calls that takes. Only what the group has read before can be replayed.
    Writes to no topic and makes no call. Dead letters are not read again by this: `connector dlq redrive`.

    Exit code: 0 if the plan was made, also if nothing would change; 1 if nothing is selected or a topic cannot be read;
    2 if the command line or the configuration must be changed.

    Example: connector replay plan --from 2h --attribute brand=Globex --out plan.json
    """
    settings = loaded(config_file).settings
    selection = _selection(settings, since, until, offsets, ean, eans_file, target, attribute, status)
    plan = resolve(settings, selection, _new_id())
    report = ForecastReport(
        plan,
        forecasting.forecast(settings, plan),
        forecasting.rates(settings),
        convert.policy(settings.processing).background_share,
        convert.update_limit(settings.offers),
    )
    if out is not None:
        _write(out, json_text(report.document()))
    if as_json:
        show_json(output(), report.document())
        return
    report.show(output())
    if out is not None:
        output().print(f"connector replay run {out} --reason WHY runs it.", markup=False, highlight=False)


@replay_cli.command("run")
def run_replay(
    reason: Annotated[str, typer.Option("--reason", help="Why; `replay status` repeats it.")],
    plan_file: Annotated[
        Path | None, typer.Argument(help="File of `connector replay plan --out`.", show_default=False)
    ] = None,
    config_file: ConfigFile = None,
    since: From = None,
    until: To = None,
    offsets: Offsets = None,
    ean: Eans = None,
    eans_file: EansFile = None,
    target: Targets = None,
    attribute: Attributes = None,
    status: Statuses = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Run a replay in the processes of the group: that of a plan, or what the options select.

    Each process reads the ranges of the partitions that it owns. Results have the origin REPLAY and the replay's id as
    command_id. Replays that were read to their end are closed by this command.

    Exit code: 0 if the replay runs; 1 if it ran before, nothing is selected, or it cannot be written; 2 if the command
    line or the configuration must be changed.

    Example: connector replay run plan.json --reason "offers were created"
    """
    settings, why = loaded(config_file).settings, stated(reason)
    options = (since, until, offsets, ean, eans_file, target, attribute, status)
    if plan_file is not None and any(options):
        raise SettingsError("a plan says what to replay: pass either its file or options")
    if plan_file is not None:
        plan = plans.parse(_read(plan_file))
    else:
        plan = resolve(settings, _selection(settings, *options), _new_id())
    with _controlling(settings, by) as control:
        command = control.run(plan, why)
    if as_json:
        show_json(output(), watching.document(watching.statuses_of([command], {})[0]))
    else:
        showing.show_started(output(), command)


@replay_cli.command("status")
def show_status(
    replay_id: Annotated[
        str | None, typer.Argument(help="Only this replay, by partition. Default: all.", show_default=False)
    ] = None,
    config_file: ConfigFile = None,
    outcomes: Annotated[
        bool,
        typer.Option("--outcomes", help="Count the replay's results by status; reads results since it began."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show how far replays have come: all of them, or one by partition.

    Exit code: 0 if they were read, also if there is none; 1 if there is none with this id, or a topic cannot be read; 2
    if the command line or the configuration must be changed.

    Example: connector replay status replay-3f9a1c2e --outcomes
    """
    if outcomes and replay_id is None:
        raise SettingsError("--outcomes needs the id of a replay")
    settings = loaded(config_file).settings
    with _controlling(settings, "status") as control:
        found = control.statuses() if replay_id is None else [control.find(replay_id)]
    if outcomes:
        results = counted(offer_results(settings, from_us=found[0].command.issued_at_us), "results read")
        found = [watching.with_outcomes(found[0], results)]
    if as_json:
        documents = [watching.document(one) for one in found]
        show_json(output(), documents if replay_id is None else documents[0])
    elif replay_id is None:
        showing.show_list(output(), found)
    else:
        showing.show_one(output(), found[0])


@replay_cli.command("pause")
def pause_replay(replay_id: ReplayId, config_file: ConfigFile = None, by: By = None, as_json: AsJson = False) -> None:
    """Pause a replay: nothing more is read until it is resumed. What was read goes on.

    Exit code: 0 if it is paused, also if it was before; 1 if there is none with this id or it is over; 2 if the command
    line or the configuration must be changed.

    Example: connector replay pause replay-3f9a1c2e
    """
    with _controlling(loaded(config_file).settings, by) as control:
        _show_changed(control.pause(control.find(replay_id), is_paused=True), as_json=as_json)


@replay_cli.command("resume")
def resume_replay(replay_id: ReplayId, config_file: ConfigFile = None, by: By = None, as_json: AsJson = False) -> None:
    """Resume a replay that is paused, where it stood.

    Exit code: 0 if it runs, also if it did before; 1 if there is none with this id or it is over; 2 if the command line
    or the configuration must be changed.

    Example: connector replay resume replay-3f9a1c2e
    """
    with _controlling(loaded(config_file).settings, by) as control:
        _show_changed(control.pause(control.find(replay_id), is_paused=False), as_json=as_json)


@replay_cli.command("stop")
def stop_replay(replay_id: ReplayId, config_file: ConfigFile = None, by: By = None, as_json: AsJson = False) -> None:
    """Stop a replay for good. What it has read before goes on; to go on later, pause it instead.

    Exit code: 0 if it is over, also if it was before; 1 if there is none with this id; 2 if the command line or the
    configuration must be changed.

    Example: connector replay stop replay-3f9a1c2e
    """
    with _controlling(loaded(config_file).settings, by) as control:
        _show_changed(control.stop(control.find(replay_id)), as_json=as_json)


# ---- what the commands share ----------------------------------------------------------------------------------------


@contextmanager
def _controlling(settings: Settings, by: str | None) -> Iterator[ReplayControl]:
    with authoring(settings, by) as writing:
        yield ReplayControl(writing, replay_progress(settings))


def _show_changed(status: watching.ReplayStatus, *, as_json: bool) -> None:
    if as_json:
        show_json(output(), watching.document(status))
    else:
        showing.show_changed(output(), status)
    finish(good=True)


def _new_id() -> str:
    return f"replay-{token_hex(4)}"


def _selection(
    settings: Settings,
    since: str | None,
    until: str | None,
    offsets: list[str] | None,
    ean: list[str] | None,
    eans_file: Path | None,
    target: list[str] | None,
    attribute: list[str] | None,
    status: str | None,
) -> ReplaySelection:
    """Returns what the options select. Raises SettingsError if none is given, or one is not valid."""
    if not any((since, until, offsets, ean, eans_file, target, attribute, status)):
        raise SettingsError("say what to replay: --from and --to, --offsets, --ean, --target, --attribute or --status")
    eans = {normal_ean(one) for one in ean or ()}
    if eans_file is not None:
        eans |= _listed(eans_file)
        if not eans:
            raise SettingsError(f"{eans_file} has no EAN")
    return ReplaySelection(
        part=topic_range(since, until, offsets),
        eans=frozenset(eans),
        target_ids=known_names(settings, "target", target),
        attributes=dict(map(attribute_pair, attribute or ())),
        statuses=() if status is None else tuple(dict.fromkeys(map(_status, status.split(",")))),
    )


def _status(given: str) -> Status:
    try:
        found = Status(given.strip().upper())
    except ValueError:
        found = Status.UNKNOWN
    if found is Status.UNKNOWN:
        known = ", ".join(status.value for status in Status if status is not Status.UNKNOWN)
        raise SettingsError(f"--status {given}: expected statuses of results, separated by commas: {known}")
    return found


def _listed(file: Path) -> frozenset[str]:
    try:
        return allow_list(_read(file))
    except ValueError as error:
        raise SettingsError(f"--eans-file {file}: {error}") from error


def _read(file: Path) -> str:
    """Returns the content of a file. Raises SettingsError if it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} cannot be read: {error}") from error


def _write(file: Path, text: str) -> None:
    """Writes a file. Raises SettingsError if that fails."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{file} cannot be written: {error}") from error
