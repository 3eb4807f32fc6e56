"""Prints forecasts and statuses of replays."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from connector.contracts.event_time import moment
from connector.controls.commands import ControlCommand
from connector.operations.durations import in_words
from connector.operations.replay import plan as plans
from connector.operations.replay.forecast import ForecastChange, PartitionForecast, ReplayForecast, minutes, ordered
from connector.operations.replay.plan import ReplayPlan
from connector.operations.replay.selection import described_part
from connector.operations.replay.watching import ReplayStatus


class ForecastReport:
    """Prints the forecast of a plan.

    ``rates``: calls per second by account. ``background_share``: the part of them that a replay gets while live calls
    wait. ``update_limit``: units in one update.
    """

    def __init__(
        self,
        plan: ReplayPlan,
        made: ReplayForecast,
        rates: Mapping[str, float],
        background_share: float,
        update_limit: int,
    ) -> None:
        self._plan = plan
        self._made = made
        self._rates = rates
        self._update_limit = update_limit
        self._minutes = minutes(made, rates, update_limit)
        self._busy_minutes = self._minutes / background_share

    def document(self) -> dict[str, Any]:
        """Returns plan and forecast as ``--json`` prints them and as a file keeps them."""
        return {**plans.document(self._plan), "forecast": self._forecast()}

    def show(self, console: Console) -> None:
        """Prints the plan, what would happen in each partition and in total, and the calls."""
        made = self._made
        _print(console, f"{self._plan.replay_id}: {described_part(self._plan)}")
        total = made.total
        names = [name for name, _ in ordered(total.outcomes)]
        _outcome_table(console, made, total, names)
        if made.fields:
            values = ", ".join(f"{count:,} {name}" for name, count in ordered(made.fields))
            _print(console, f"values to be sent: {values}")
            _change_table(console, made)
        else:
            _print(console, "values to be sent: none")
        for line in self._call_lines():
            _print(console, line)

    def _call_lines(self) -> list[str]:
        if not self._made.calls:
            return ["calls: none"]
        lines = [
            f"account {name}: calls {calls.calls(self._update_limit):,} or a few more, {calls.look_ups:,} of them "
            f"look-ups; at most {self._rates[name]:g} per second"
            for name, calls in sorted(self._made.calls.items())
        ]
        alone, busy = in_words(60 * self._minutes), in_words(60 * self._busy_minutes)
        return [*lines, f"time for the calls: {alone} if nothing else waits, up to {busy} while live calls wait"]

    def _forecast(self) -> dict[str, Any]:
        made = self._made
        return {
            **_part_document(made.total),
            "partitions": [
                {"partition": number, **_part_document(part)} for number, part in sorted(made.partitions.items())
            ],
            "values": dict(ordered(made.fields)),
            "changes": [_change_document(change) for change in made.changes],
            "look_ups": sum(calls.look_ups for calls in made.calls.values()),
            "calls": sum(calls.calls(self._update_limit) for calls in made.calls.values()),
            "minutes": round(self._minutes, 1),
            "minutes_while_busy": round(self._busy_minutes, 1),
        }


def show_started(console: Console, command: ControlCommand) -> None:
    """Prints that a replay runs, and the commands that go with it."""
    _print(console, f"{command.command_id} runs. It goes on until everything was read; live events go first.")
    _print(console, f"connector replay status {command.command_id} shows how far it has come;")
    _print(console, f"connector replay pause {command.command_id}, resume and stop control it.")


def show_changed(console: Console, status: ReplayStatus) -> None:
    """Prints the state of a replay after a command, in one line."""
    gone = f", {status.gone:,} offsets gone" if status.gone else ""
    _print(console, f"{status.command.command_id}: {status.state}, {100 * status.share:.1f} % read{gone}.")


def show_list(console: Console, statuses: list[ReplayStatus]) -> None:
    """Prints replays as a table."""
    table = Table(Column("id", no_wrap=True), "state", "read", "delivered", "reason", "by", "since")
    for one in statuses:
        table.add_row(
            one.command.command_id,
            one.state,
            f"{100 * one.share:.1f} %",
            f"{one.delivered:,}",
            one.command.reason,
            one.command.issued_by,
            moment(one.command.issued_at_us),
        )
    if statuses:
        console.print(table)
    for one in statuses:
        if one.gone:
            _print(console, f"{one.command.command_id}: {one.gone:,} offsets gone")
    _print(console, f"{len(statuses)} replay{'' if len(statuses) == 1 else 's'}.")


def show_one(console: Console, status: ReplayStatus) -> None:
    """Prints one replay by partition, with its results if they were counted."""
    show_list(console, [status])
    table = Table(*(Column(name, justify="right") for name in ("partition", "position", "end", "read", "delivered")))
    for part in status.partitions:
        table.add_row(
            str(part.part.partition),
            f"{part.position:,}",
            f"{part.part.end:,}",
            f"{100 * part.share:.1f} %",
            f"{part.delivered:,}",
        )
    console.print(table)
    for part in status.partitions:
        if part.gone:
            _print(
                console,
                f"partition {part.part.partition}: {part.gone:,} offsets gone. Their records were not replayed: the "
                "topic had deleted them, or a tool set the group's offset, with which the replay's position was lost.",
            )
    if status.outcomes is not None:
        said = ", ".join(f"{count:,} {name}" for name, count in ordered(status.outcomes)) or "none yet"
        _print(console, f"results: {said}")


def _outcome_table(console: Console, made: ReplayForecast, total: PartitionForecast, names: list[str]) -> None:
    table = Table(*(Column(name, justify="right") for name in ("partition", "read", "left out", "replayed", *names)))
    for name, part in (*((str(number), part) for number, part in sorted(made.partitions.items())), ("total", total)):
        table.add_row(
            name,
            f"{part.read:,}",
            f"{part.left_out + part.unreadable:,}",
            f"{part.delivered:,}",
            *(f"{part.outcomes[outcome]:,}" for outcome in names),
        )
    console.print(table)


def _change_table(console: Console, made: ReplayForecast) -> None:
    table = Table("EAN", "storefront", "unit", "field", Column("from", justify="right"), Column("to", justify="right"))
    for change in made.changes:
        known = "not known" if change.known is None else format(change.known, "f")
        table.add_row(
            change.ean, change.storefront, str(change.unit_id), change.field, known, format(change.value, "f")
        )
    console.print(table)
    more = made.fields.total() - len(made.changes)
    if more > 0:
        _print(console, f"and {more:,} more")


def _change_document(change: ForecastChange) -> dict[str, Any]:
    return {
        "ean": change.ean,
        "storefront": change.storefront,
        "unit_id": change.unit_id,
        "field": change.field,
        "from": change.known,
        "to": change.value,
    }


def _part_document(part: PartitionForecast) -> dict[str, Any]:
    return {
        "records": part.read,
        "unreadable": part.unreadable,
        "left_out": part.left_out,
        "replayed": part.delivered,
        "outcomes": dict(ordered(part.outcomes)),
    }


def _print(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
