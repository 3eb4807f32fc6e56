"""Derives from the settings what a run reads, restores and writes, before anything is opened."""

from collections.abc import Mapping
from dataclasses import dataclass

from connector import flows
from connector.contracts.topics import Topics
from connector.settings import convert
from connector.settings.load import Loaded
from connector.settings.model import Settings
from connector.supervisor.member import Member


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """What a run reads, restores and writes."""

    loaded: Loaded
    settings: Settings  # for a dry run, its own
    topics: Topics
    restored_from: Mapping[str, str]  # input -> state topic; of a live input the live states, also in a dry run
    known_as: Topics  # the topics under whose subjects our schemas are registered: always the live ones
    dry_run: bool
    member: Member | None = None  # one of several processes of one parent

    @property
    def is_first(self) -> bool:
        """Whether this process does what only one on a machine can do, such as listening on a port of the settings."""
        return self.member is None or self.member.number == 1

    @classmethod
    def of(cls, loaded: Loaded, *, dry_run: bool, member: Member | None = None) -> "RunPlan":
        """Derives the plan from the loaded settings."""
        live = convert.topics(loaded.settings)
        settings = convert.dry_run(loaded.settings) if dry_run else loaded.settings
        own = convert.topics(settings)
        return cls(
            loaded=loaded,
            settings=settings,
            topics=own,
            restored_from=flows.inputs(own) | flows.inputs(live),
            known_as=live,
            dry_run=dry_run,
            member=member,
        )
