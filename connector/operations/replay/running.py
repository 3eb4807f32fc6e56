"""Runs, pauses and stops replays by commands in the topic of controls."""

from collections.abc import Mapping
from typing import Final

from connector.controls.commands import ControlCommand, ControlKind, ControlState
from connector.operations.controls.giving import CommandAuthor
from connector.operations.replay.plan import ReplayPlan
from connector.operations.replay.watching import ReplayStatus, finished, statuses_of
from connector.replays.progress import ReplayProgress
from streams.errors import Stopped
from streams.frozen import replace

MOST_AT_ONCE: Final = 8
"""The most replays in force: the positions of all of them are in the metadata of a committed offset."""


class ReplayControl:
    """Gives the commands of replays. ``rows``: the newest row of each key of the topic of replays."""

    def __init__(self, author: CommandAuthor, rows: Mapping[str, ReplayProgress]) -> None:
        self._author = author
        self._rows = rows

    def statuses(self) -> list[ReplayStatus]:
        """Returns every replay, oldest first."""
        return statuses_of(self._author.commands(), self._rows)

    def find(self, replay_id: str) -> ReplayStatus:
        """Returns a replay. Raises Stopped if there is none with this id."""
        for status in self.statuses():
            if status.command.command_id == replay_id:
                return status
        raise Stopped(f"there is no replay {replay_id}. `connector replay status` shows every replay")

    def run(self, plan: ReplayPlan, reason: str) -> ControlCommand:
        """Closes the replays that are done, starts that of a plan, and returns its command.

        Raises Stopped if it ran before, or as many as possible run.
        """
        known = self.statuses()
        if any(status.command.command_id == plan.replay_id for status in known):
            raise Stopped(f"{plan.replay_id} was run before. To run it once more, plan it once more")
        done = finished(known)
        in_force = sum(status.command.state is ControlState.IN_FORCE for status in known) - len(done)
        if in_force >= MOST_AT_ONCE:
            raise Stopped(f"{in_force} replays run or are paused, as many as possible. Stop one, or wait for it")
        for command in done:
            self._author.end(command, ControlState.RELEASED)
        return self._author.give(
            ControlKind.REPLAY, plan.scope, reason=reason, command_id=plan.replay_id, replay=plan.request
        )

    def pause(self, status: ReplayStatus, *, is_paused: bool) -> ReplayStatus:
        """Pauses or resumes a replay and returns it; one that is so already is left as it is.

        Raises Stopped if it is over.
        """
        command, request = status.command, status.command.replay
        if status.is_done or command.state is not ControlState.IN_FORCE or request is None:
            raise Stopped(f"{command.command_id} is over: {status.state}")
        if request.is_paused is is_paused:
            return status
        changed = self._author.change(replace(command, replay=replace(request, is_paused=is_paused)))
        return replace(status, command=changed)

    def stop(self, status: ReplayStatus) -> ReplayStatus:
        """Ends a replay and returns it; one that is over is left as it is."""
        if status.command.state is not ControlState.IN_FORCE:
            return status
        return replace(status, command=self._author.end(status.command, ControlState.RELEASED))
