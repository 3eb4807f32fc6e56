"""Which schema stands under which subject of the registry (TopicNameStrategy), and its id at run time. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

import schemas
from connector.codec import STRING_SCHEMA, KeyIds, SchemaIds
from connector.topics import Topics
from streams.compatibility import Level
from streams.errors import SchemaUnknown
from streams.registry import Registry

REMEDY = "run `connector schemas register`"

_OUTPUTS = {
    "offer_result": "offer_results",
    "offer_not_found": "offers_not_found",
    "offer_state": "offer_state",
    "marketplace_called": "marketplace_calls",
}
"""Record -> dataset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A subject as it should be."""

    subject: str
    schema: str
    level: Level
    ours: bool = True  # False: the input's, where others register what they write


def wanted(topics: Topics, *, avro_keys: bool) -> tuple[Wanted, ...]:
    """Every subject that the offer flow touches."""
    changes = topics.offer_changes
    found = [
        Wanted(subject=value_subject(changes), schema=_text("offer_changed"), level=Level.BACKWARD, ours=False),
        *(
            Wanted(subject=value_subject(getattr(topics, dataset)), schema=_text(record), level=Level.FULL_TRANSITIVE)
            for record, dataset in _OUTPUTS.items()
        ),
    ]
    if avro_keys:
        text = f'"{STRING_SCHEMA}"'
        found.append(Wanted(subject=key_subject(changes), schema=text, level=Level.BACKWARD, ours=False))
        found += (
            Wanted(subject=key_subject(getattr(topics, dataset)), schema=text, level=Level.FULL_TRANSITIVE)
            for dataset in _OUTPUTS.values()
        )
    return tuple(found)


def look_up(registry: Registry, topics: Topics, *, avro_keys: bool) -> SchemaIds:
    """The ids that our records carry. Blocks. Raises ``RegistryDown``, and ``SchemaUnknown`` with every missing one."""
    missing: list[str] = []

    def id_of(subject: str, schema: str) -> int:
        found = registry.find(subject, schema)
        if found is None:
            missing.append(subject)
            return 0
        return found.id

    values = {
        record: id_of(value_subject(getattr(topics, dataset)), _text(record)) for record, dataset in _OUTPUTS.items()
    }
    keys = {
        record: id_of(key_subject(getattr(topics, dataset)), f'"{STRING_SCHEMA}"')
        for record, dataset in _OUTPUTS.items()
        if avro_keys
    }
    if missing:
        raise SchemaUnknown(f"the registry lacks this version's schema of {', '.join(missing)}; {REMEDY}")
    return SchemaIds(**values, keys=KeyIds(**keys) if keys else None)


def fetch_states(registry: Registry, topics: Topics, add: Callable[[int, str], None]) -> None:
    """Hand every version of the state's schema to ``add``: a restore cannot wait for one. Raises ``RegistryDown``."""
    subject = value_subject(topics.offer_state)
    for number in registry.versions(subject):
        found = registry.version(subject, number)
        add(found.id, found.schema)


def value_subject(topic: str) -> str:
    return f"{topic}-value"


def key_subject(topic: str) -> str:
    return f"{topic}-key"


def _text(record: str) -> str:
    """Of the newest version, which is the one that the events are one to one with."""
    return schemas.text(record, schemas.versions(record)[-1])
