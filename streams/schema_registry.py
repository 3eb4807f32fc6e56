"""The contract of a schema registry: schemas by id and by subject. One suite (``tests/contracts``) runs over each."""

from dataclasses import dataclass
from typing import Protocol

from streams.avro.compatibility import Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A schema under a subject."""

    subject: str
    id: int
    version: int
    schema: str


class Registry(Protocol):
    """Every method blocks, and raises ``RegistryDown`` where the registry does not answer as one."""

    def schema(self, schema_id: int) -> str:
        """The text of a schema. Raises ``SchemaUnknown``."""
        ...

    def versions(self, subject: str) -> tuple[int, ...]:
        """Oldest first; empty = the subject is not there."""
        ...

    def version(self, subject: str, version: int) -> Registered:
        """Raises ``SchemaUnknown``."""
        ...

    def find(self, subject: str, schema: str) -> Registered | None:
        """This very schema under the subject; None = it is not registered there."""
        ...

    def register(self, subject: str, schema: str) -> int:
        """The schema's id; registering it again changes nothing. Raises ``SchemaRefused`` with the registry's words."""
        ...

    def compatible(self, subject: str, schema: str) -> bool:
        """Whether the schema may follow what is there, by the subject's level; True where nothing is there."""
        ...

    def level(self, subject: str) -> Level | None:
        """The subject's level; None = it has none of its own."""
        ...

    def set_level(self, subject: str, level: Level) -> None: ...
