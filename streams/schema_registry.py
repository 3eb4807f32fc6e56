"""The contract of a schema registry: schemas by id and by subject.

One test suite (``tests/contracts``) runs against every implementation.
"""

from dataclasses import dataclass
from typing import Protocol

from streams.avro.compatibility import Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A schema as registered under a subject."""

    subject: str
    id: int
    version: int
    schema: str


class Registry(Protocol):
    """A schema registry. Every method blocks; raises ``RegistryDown`` if there is no answer, or no valid one."""

    def schema(self, schema_id: int) -> str:
        """Returns the text of a schema. Raises ``SchemaUnknown``."""
        ...

    def versions(self, subject: str) -> tuple[int, ...]:
        """Returns the versions of a subject, oldest first; empty = it does not exist."""
        ...

    def version(self, subject: str, version: int) -> Registered:
        """Returns one version of a subject. Raises ``SchemaUnknown``."""
        ...

    def find(self, subject: str, schema: str) -> Registered | None:
        """Returns the registration of exactly this schema under the subject; None = it is not registered there."""
        ...

    def register(self, subject: str, schema: str) -> int:
        """Registers a schema and returns its id; registering it again changes nothing.

        Raises ``SchemaRefused`` with the registry's message.
        """
        ...

    def compatible(self, subject: str, schema: str) -> bool:
        """Whether the schema may be the next version by the subject's compatibility level; True for a new subject."""
        ...

    def level(self, subject: str) -> Level | None:
        """Returns the subject's compatibility level; None = it has none of its own."""
        ...

    def set_level(self, subject: str, level: Level) -> None:
        """Sets the subject's compatibility level; the subject need not have a version yet."""
        ...
