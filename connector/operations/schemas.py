"""Implements ``connector schemas``: registers schemas, and checks the registered ones. Nothing else registers any."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum

from rich.console import Console
from rich.table import Table

from connector.contracts.registry_subjects import REMEDY, SubjectSpec, wanted
from connector.contracts.topics import Topics
from connector.operations.json_output import show_json
from streams.avro.compatibility import Level, cannot_read
from streams.errors import SchemaRefused, SchemaUnknown
from streams.schema_registry import Registry


class RegistrationOutcome(StrEnum):
    """The outcome for one subject."""

    REGISTERED = "registered"
    ALREADY_THERE = "already there"
    LEFT = "left to its owner"  # an input's subject in which its producers have registered their schema
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What was done for one subject. ``id``: of the registered schema; ``reason``: of a refusal."""

    subject: str
    outcome: RegistrationOutcome
    id: int | None = None
    reason: str = ""


def register(
    console: Console, registry: Registry, topics: Topics, *, avro_keys: bool = False, as_json: bool = False
) -> bool:
    """Registers missing schemas and prints the outcome. Returns whether none was refused. Raises RegistryDown."""
    done = registrations(registry, wanted(topics, avro_keys=avro_keys))
    if as_json:
        show_json(console, [asdict(row) for row in done])
    else:
        _show_registrations(console, done)
    return all(row.outcome is not RegistrationOutcome.REFUSED for row in done)


def _show_registrations(console: Console, done: Iterable[Registration]) -> None:
    table = Table("subject", "outcome", "id", "reason")
    for row in done:
        style = "red" if row.outcome is RegistrationOutcome.REFUSED else None
        table.add_row(row.subject, row.outcome.value, "" if row.id is None else str(row.id), row.reason, style=style)
    console.print(table)


def registrations(registry: Registry, subjects: tuple[SubjectSpec, ...]) -> list[Registration]:
    """Sets the compatibility level of each subject, then registers its schema. Idempotent.

    An input's subject is not changed once it has a version: its producers own it. A refused schema is reported as an
    outcome, and the others are still registered. Raises RegistryDown.
    """
    return [_register(registry, subject) for subject in subjects]


def _register(registry: Registry, subject: SubjectSpec) -> Registration:
    """Registers one subject's schema, unless the subject belongs to producers that have registered theirs."""
    name = subject.subject
    there = registry.find(name, subject.schema)
    known = None if there is None else there.id
    if not subject.ours and registry.versions(name):
        return Registration(
            subject=name,
            outcome=RegistrationOutcome.LEFT if known is None else RegistrationOutcome.ALREADY_THERE,
            id=known,
        )
    try:
        if registry.level(name) is not subject.level:
            registry.set_level(name, subject.level)
        if known is not None:
            return Registration(subject=name, outcome=RegistrationOutcome.ALREADY_THERE, id=known)
        return Registration(
            subject=name, outcome=RegistrationOutcome.REGISTERED, id=registry.register(name, subject.schema)
        )
    except (SchemaRefused, SchemaUnknown) as refused:
        return Registration(subject=name, outcome=RegistrationOutcome.REFUSED, reason=str(refused))


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectFinding:
    """The result of checking one subject; ``remedy`` is empty if nothing needs to be done."""

    subject: str
    good: bool
    reason: str
    remedy: str = ""
    id: int | None = None


def check(
    console: Console, registry: Registry, topics: Topics, *, avro_keys: bool = False, as_json: bool = False
) -> bool:
    """Checks each subject without changing anything. Returns whether ``run`` may start. Raises RegistryDown."""
    found = findings(registry, wanted(topics, avro_keys=avro_keys))
    if as_json:
        show_json(console, [asdict(row) for row in found])
    else:
        _show_findings(console, found)
    return all(row.good for row in found)


def _show_findings(console: Console, found: Iterable[SubjectFinding]) -> None:
    table = Table("subject", "id", "found", "remedy")
    for row in found:
        known = "" if row.id is None else str(row.id)
        table.add_row(row.subject, known, row.reason, row.remedy, style=None if row.good else "red")
    console.print(table)


def findings(registry: Registry, subjects: tuple[SubjectSpec, ...]) -> list[SubjectFinding]:
    """Checks each subject. Raises RegistryDown."""
    return [_check_ours(registry, subject) if subject.ours else _check_input(registry, subject) for subject in subjects]


def _check_ours(registry: Registry, subject: SubjectSpec) -> SubjectFinding:
    """Checks that our schema is registered, with the required level."""
    there = registry.find(subject.subject, subject.schema)
    if there is None:
        return _check_missing(registry, subject)
    level = registry.level(subject.subject)
    if level is not subject.level:
        reason = f"version {there.version} is registered, but the level is {level or Level.NONE}, not {subject.level}"
        return SubjectFinding(subject=subject.subject, good=False, reason=reason, remedy=REMEDY, id=there.id)
    return SubjectFinding(subject=subject.subject, good=True, reason=f"version {there.version}, {level}", id=there.id)


def _check_missing(registry: Registry, subject: SubjectSpec) -> SubjectFinding:
    """Reports a missing schema, with the remedy that depends on whether it is compatible."""
    if registry.compatible(subject.subject, subject.schema):
        reason, remedy = "this version's schema is not registered", REMEDY
    else:
        reason = "this version's schema is incompatible with what is registered"
        remedy = "name another topic, or run the version of the connector that the topic was written with"
    return SubjectFinding(subject=subject.subject, good=False, reason=reason, remedy=remedy)


def _check_input(registry: Registry, subject: SubjectSpec) -> SubjectFinding:
    """Checks that every registered schema of an input can be read."""
    numbers = registry.versions(subject.subject)
    if not numbers:
        reason = "nothing is registered; records are read with the schema that they name"
        return SubjectFinding(subject=subject.subject, good=True, reason=reason)
    unreadable = list(_unreadable(registry, subject, numbers))
    if unreadable:
        wanted = json.loads(subject.schema)["name"]
        remedy = f"change the producer's schema so that it resolves to {wanted}; such records become dead letters"
        return SubjectFinding(subject=subject.subject, good=False, reason="; ".join(unreadable), remedy=remedy)
    every = "its one version" if len(numbers) == 1 else f"all {len(numbers)} versions"
    return SubjectFinding(subject=subject.subject, good=True, reason=f"{every} can be read")


def _unreadable(registry: Registry, subject: SubjectSpec, numbers: tuple[int, ...]) -> Iterator[str]:
    """Yields a message for each version that cannot be read with our schema."""
    reader = json.loads(subject.schema)
    for number in numbers:
        try:
            why = cannot_read(reader=reader, writer=json.loads(registry.version(subject.subject, number).schema))
        except Exception as error:  # noqa: BLE001 - what is no Avro schema fails in many ways
            why = [str(error)]
        if why:
            yield f"version {number} cannot be read: {', '.join(why)}"
