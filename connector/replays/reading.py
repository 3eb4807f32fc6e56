"""Reads replays as side inputs of the input topic's partitions. Pure."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol, TypeAlias

from connector.controls.commands import ControlCommand, ControlKind, ControlState, ReplayRequest
from connector.controls.in_force import CommandSource
from connector.offers.events import OfferChanged, OfferWithdrawn, Replayed
from connector.replays.filter import ReplayFilter
from connector.replays.progress import ReplayProgress, ReplayState
from streams.flow import BadRecord, NotYet, Now, Output, Record, Told
from streams.side_input import Message, Opening, SideInput, SidePosition

REPLAY: Final = "replay"
"""What precedes the slash in the names of side inputs that are replays."""
NAME_PREFIX: Final = f"{REPLAY}/"
LONGEST_ID: Final = 40 - len(NAME_PREFIX)
"""The most characters of a replay's id: the name of a side input has at most 40."""

ReportIgnoredReplay: TypeAlias = Callable[[ControlCommand, str], None]
"""Reports a replay that is not read, and why."""


class ReplaySerdes(Protocol):
    """Decodes the input, and encodes progress."""

    def decode_changed(self, record: Record) -> OfferChanged | OfferWithdrawn | BadRecord | NotYet: ...
    def encode_progress(self, value: ReplayProgress, /) -> bytes: ...
    def progress_key(self, key: str, /) -> bytes: ...


class ReplayInputs:
    """The ``streams.side_input.SideInputs`` of replays: each is read in the range of each partition that it names.

    ``input_topic_id``: the id of the input topic, empty if the broker does not tell it. A replay of a topic with
    another id is reported once and not read: its offsets mean other records.
    """

    def __init__(
        self,
        *,
        commands: CommandSource,
        serdes: ReplaySerdes,
        input_topic: str,
        input_topic_id: str,
        replays_topic: str,
        default_target: str | None,
        report_ignored: ReportIgnoredReplay,
    ) -> None:
        self._commands = commands
        self._serdes = serdes
        self._input_topic = input_topic
        self._input_topic_id = input_topic_id
        self._replays_topic = replays_topic
        self._default_target = default_target
        self._report_ignored = report_ignored
        self._reported: set[str] = set()  # ids
        self._filters: dict[str, ReplayFilter] = {}  # by name

    def inputs(self, partition: int) -> Sequence[SideInput]:
        """Returns a side input for each replay in force that reads the partition."""
        wanted = list(self._of_partition(partition))
        names = {_name(command) for command in self._commands.in_force.replays}
        self._filters = {name: known for name, known in self._filters.items() if name in names}
        return wanted

    def opened(self, opening: Opening, now: Now) -> None:
        """Does nothing: the ranges of replays are in their commands."""

    def is_over(self, name: str) -> bool:
        """Whether a command says that the replay is over, or was deleted by a tombstone.

        One that is only missing may be unreadable at present, or not be read yet.
        """
        if not name.startswith(NAME_PREFIX):
            return False
        in_force, command_id = self._commands.in_force, name.removeprefix(NAME_PREFIX)
        command = in_force.by_id.get(command_id)
        if command is None:
            return command_id in in_force.deleted
        return command.kind is ControlKind.REPLAY and command.state is not ControlState.IN_FORCE

    def read(self, name: str, record: Record, now: Now) -> Message:  # noqa: ARG002
        """Returns the event for its lane; None if the replay's filters leave it out, or the replay is over."""
        wanted = self._filters.get(name)
        if wanted is None:
            return None
        event = self._serdes.decode_changed(record)
        if isinstance(event, BadRecord | NotYet):
            return event
        if not wanted.matches(event):
            return None
        return Told(lane=event.key, message=Replayed(event=event, replay_id=name.removeprefix(NAME_PREFIX)))

    def progress(self, partition: int, side_input: SideInput, reached: SidePosition, now: Now) -> Sequence[Output]:
        """Returns the row for the topic of replays."""
        end = side_input.end if side_input.end is not None else reached.position
        row = ReplayProgress(
            replay_id=side_input.name.removeprefix(NAME_PREFIX),
            input_topic=self._input_topic,
            partition=partition,
            start=side_input.start,
            end=end,
            position=reached.position,
            delivered=reached.delivered,
            state=_state(side_input, reached.position >= end),
            reported_at_us=now.wall_us,
            gone=reached.gone,
        )
        key = self._serdes.progress_key(row.key)
        return (Output(topic=self._replays_topic, key=key, value=self._serdes.encode_progress(row)),)

    def _of_partition(self, partition: int) -> Iterator[SideInput]:
        for command in self._commands.in_force.replays:
            request = command.replay
            if request is None or not self._may_read(command, request):
                continue
            if (part := request.range_of(partition)) is None:
                continue
            name = _name(command)
            if name not in self._filters:
                self._filters[name] = ReplayFilter.of(command.scope, self._default_target)
            yield SideInput(
                name=name,
                topic=self._input_topic,
                partition=partition,
                start=part.start,
                end=part.end,
                is_paused=request.is_paused,
            )

    def _may_read(self, command: ControlCommand, request: ReplayRequest) -> bool:
        """Whether a replay can be read; reports one that cannot, once."""
        problem = self._problem(command, request)
        if problem and command.command_id not in self._reported:
            self._reported.add(command.command_id)
            self._report_ignored(command, problem)
        return not problem

    def _problem(self, command: ControlCommand, request: ReplayRequest) -> str:
        if request.input_topic != self._input_topic:
            return f"it is of the topic {request.input_topic}; the input topic is {self._input_topic}"
        ids = request.input_topic_id, self._input_topic_id
        if all(ids) and ids[0] != ids[1]:
            return (
                f"the topic {self._input_topic} was created again since it was planned: its offsets mean other records"
            )
        if len(command.command_id) > LONGEST_ID:
            return f"its id has more than {LONGEST_ID} characters"
        return ""


def _name(command: ControlCommand) -> str:
    return f"{NAME_PREFIX}{command.command_id}"


def _state(side_input: SideInput, is_done: bool) -> ReplayState:
    if is_done:
        return ReplayState.DONE
    return ReplayState.PAUSED if side_input.is_paused else ReplayState.RUNNING
