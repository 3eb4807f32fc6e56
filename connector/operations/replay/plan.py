"""The plan of a replay: what it reads, and its form in a file. Pure."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from connector.contracts.event_time import moment
from connector.controls.commands import CommandScope, ReplayRange, ReplayRequest
from streams.errors import SettingsError

MOST_EANS: Final = 50_000
"""The most EANs that a replay can name: they travel in its command, and a record has at most a megabyte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlan:
    """What a replay reads and delivers. ``replay_id``: the id of the command that runs it."""

    replay_id: str
    request: ReplayRequest
    scope: CommandScope
    planned_at_us: int

    @property
    def records(self) -> int:
        """The number of offsets in all ranges."""
        return sum(part.end - part.start for part in self.request.ranges)


def checked_eans(eans: Iterable[str]) -> tuple[str, ...]:
    """Returns the EANs, each once and sorted. Raises SettingsError if they are too many for a command."""
    chosen = tuple(sorted(set(eans)))
    if len(chosen) > MOST_EANS:
        raise SettingsError(
            f"the replay would name {len(chosen):,} EANs; a command carries at most {MOST_EANS:,}. Choose a smaller "
            "part: by --target or --attribute, or fewer EANs at a time"
        )
    return chosen


def document(plan: ReplayPlan) -> dict[str, Any]:
    """Returns the plan as ``--json`` prints it and as a file keeps it."""
    request, scope = plan.request, plan.scope
    return {
        "replay_id": plan.replay_id,
        "planned_at": moment(plan.planned_at_us),
        "planned_at_us": plan.planned_at_us,
        "input_topic": request.input_topic,
        "input_topic_id": request.input_topic_id,
        "ranges": [{"partition": part.partition, "start": part.start, "end": part.end} for part in request.ranges],
        "eans": list(scope.eans),
        "target_ids": list(scope.target_ids),
        "attributes": dict(scope.attributes),
        "statuses": list(request.statuses),
    }


def parse(text: str) -> ReplayPlan:
    """Returns the plan that a file keeps. Raises SettingsError if it is none."""
    try:
        given = json.loads(text)
        ranges = tuple(ReplayRange(**{name: int(one[name]) for name in _OF_RANGE}) for one in given["ranges"])
        plan = ReplayPlan(
            replay_id=_text(given["replay_id"]),
            planned_at_us=int(given["planned_at_us"]),
            request=ReplayRequest(
                input_topic=_text(given["input_topic"]),
                input_topic_id=_text(given["input_topic_id"]),
                ranges=ranges,
                statuses=tuple(map(_text, given["statuses"])),
            ),
            scope=CommandScope(
                eans=tuple(map(_text, given["eans"])),
                target_ids=tuple(map(_text, given["target_ids"])),
                attributes={_text(name): _text(value) for name, value in given["attributes"].items()},
            ),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SettingsError(
            f"the file is not a plan of `connector replay plan --out`: {type(error).__name__} {error}"
        ) from error
    _check(plan)
    return plan


_OF_RANGE: Final = ("partition", "start", "end")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _check(plan: ReplayPlan) -> None:
    ranges = plan.request.ranges
    if len({part.partition for part in ranges}) < len(ranges) or any(
        not 0 <= part.start < part.end or part.partition < 0 for part in ranges
    ):
        raise SettingsError("the file is not a plan of `connector replay plan --out`: its ranges are not valid")
    checked_eans(plan.scope.eans)
