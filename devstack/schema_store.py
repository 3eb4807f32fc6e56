"""The logic of the embedded registry: subjects, versions and compatibility, in memory. Pure.

Errors have Confluent's error codes; the HTTP status is the first three digits of the code.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final

import fastavro

from streams.avro.compatibility import Level, problems

MODES: Final = frozenset({"READWRITE", "READONLY", "IMPORT"})
LATEST: Final = "latest"


class RegistryError(Exception):
    """An error response of the registry."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        return int(str(self.code)[:3])


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of a subject, with its schema."""

    subject: str
    version: int
    id: int
    text: str


@dataclass(slots=True)
class _Subject:
    """A subject's versions; ``last`` is the highest number that was ever assigned."""

    versions: dict[int, int] = field(default_factory=dict)  # version -> schema id, including deleted versions
    deleted: set[int] = field(default_factory=set)
    last: int = 0

    def alive(self) -> list[int]:
        return [version for version in self.versions if version not in self.deleted]


class SchemaStore:
    """Subjects, versions, compatibility levels and modes. Not thread-safe."""

    def __init__(self) -> None:
        self.default_level = Level.BACKWARD
        self.default_mode = "READWRITE"
        self.levels: dict[str, Level] = {}
        self.modes: dict[str, str] = {}
        self._subjects: dict[str, _Subject] = {}
        self._texts: dict[int, str] = {}
        self._ids: dict[str, int] = {}

    # ---- read -----------------------------------------------------------------------------------------------------

    def text(self, schema_id: int) -> str:
        if schema_id not in self._texts:
            raise RegistryError(40403, f"Schema {schema_id} not found")
        return self._texts[schema_id]

    def uses(self, schema_id: int) -> list[tuple[str, int]]:
        """Returns every subject and version that has this schema."""
        self.text(schema_id)
        return [
            (name, version)
            for name, subject in self._subjects.items()
            for version in subject.alive()
            if subject.versions[version] == schema_id
        ]

    def subjects(self, *, deleted: bool = False) -> list[str]:
        return sorted(name for name, subject in self._subjects.items() if deleted or subject.alive())

    def versions(self, name: str, *, deleted: bool = False) -> list[int]:
        subject = self._subject(name, deleted=deleted)
        return list(subject.versions) if deleted else subject.alive()

    def version(self, name: str, wanted: str, *, deleted: bool = False) -> Version:
        """Returns a version. ``wanted`` is a number, ``latest`` or -1."""
        subject = self._subject(name, deleted=deleted)
        return self._version(name, subject, self._number(subject, wanted, deleted=deleted))

    def find(self, name: str, text: str) -> Version:
        """Returns the subject's version of exactly this schema, ignoring white space. Raises RegistryError if none."""
        subject = self._subject(name)
        schema_id = self._ids.get(_canonical(_parsed(text)))
        for version in reversed(subject.alive()):
            if subject.versions[version] == schema_id:
                return self._version(name, subject, version)
        raise RegistryError(40403, "Schema not found")

    def incompatibilities(self, name: str, text: str, wanted: str | None) -> list[str]:
        """Returns the incompatibilities with one version, or with those that the level covers (``wanted`` None)."""
        schema = _parsed(text)
        level = self.level(name)
        subject = self._subject(name)
        if wanted is None:
            return problems(level, schema, self._schemas(subject))
        number = self._number(subject, wanted)
        return problems(level, schema, [json.loads(self._texts[subject.versions[number]])])

    def level(self, name: str) -> Level:
        return self.levels.get(name, self.default_level)

    # ---- change ---------------------------------------------------------------------------------------------------

    def register(self, name: str, text: str) -> int:
        """Registers a schema and returns its id; a known schema keeps its id.

        Raises RegistryError if it is incompatible (409) or not a schema.
        """
        schema = _parsed(text)
        subject = self._subjects.get(name) or _Subject()
        canonical = _canonical(schema)
        known = self._ids.get(canonical)
        if known is not None and any(subject.versions[version] == known for version in subject.alive()):
            return known
        if self.modes.get(name, self.default_mode) == "READONLY":
            raise RegistryError(42205, f"Subject {name} is in read-only mode")
        found = problems(self.level(name), schema, self._schemas(subject))
        if found:
            raise RegistryError(
                409, f"Schema being registered is incompatible with an earlier schema: {'; '.join(found)}"
            )
        schema_id = self._ids.setdefault(canonical, len(self._ids) + 1)
        self._texts.setdefault(schema_id, text)
        subject.last += 1
        subject.versions[subject.last] = schema_id
        self._subjects[name] = subject
        return schema_id

    def delete_subject(self, name: str, *, permanent: bool) -> list[int]:
        """Deletes a subject and returns its versions. A soft delete hides versions; schemas stay readable by id.
        A permanent delete is only allowed after a soft one.
        """
        if not permanent:
            subject = self._subject(name)
            gone = subject.alive()
            subject.deleted.update(gone)
            return gone
        subject = self._subject(name, deleted=True)
        if subject.alive():
            raise RegistryError(40405, f"Subject '{name}' was not deleted first before being permanently deleted")
        del self._subjects[name]
        self.levels.pop(name, None)
        self.modes.pop(name, None)
        return list(subject.versions)

    def delete_version(self, name: str, wanted: str, *, permanent: bool) -> int:
        """Deletes a version and returns its number. A permanent delete is only allowed after a soft one."""
        subject = self._subject(name, deleted=permanent)
        number = self._number(subject, wanted, deleted=permanent)
        if not permanent:
            subject.deleted.add(number)
        elif number in subject.deleted:
            subject.deleted.remove(number)
            del subject.versions[number]
        else:
            raise RegistryError(
                40407, f"Subject '{name}' Version {number} was not deleted first before being permanently"
            )
        return number

    # ---- internal -------------------------------------------------------------------------------------------------

    def _subject(self, name: str, *, deleted: bool = False) -> _Subject:
        subject = self._subjects.get(name)
        if subject is None or not (deleted or subject.alive()):
            raise RegistryError(40401, f"Subject '{name}' not found.")
        return subject

    def _number(self, subject: _Subject, wanted: str, *, deleted: bool = False) -> int:
        there = list(subject.versions) if deleted else subject.alive()
        if wanted in (LATEST, "-1"):
            return there[-1]
        if not wanted.isascii() or not wanted.isdigit() or not 1 <= int(wanted) < 1 << 31:
            raise RegistryError(
                42202,
                f"The specified version '{wanted}' is not a valid version id. "
                f'Allowed values are between [1, 2^31-1] and the string "latest"',
            )
        if int(wanted) not in there:
            raise RegistryError(40402, f"Version {wanted} not found.")
        return int(wanted)

    def _version(self, name: str, subject: _Subject, number: int) -> Version:
        schema_id = subject.versions[number]
        return Version(subject=name, version=number, id=schema_id, text=self._texts[schema_id])

    def _schemas(self, subject: _Subject) -> list[Any]:
        return [json.loads(self._texts[subject.versions[version]]) for version in subject.alive()]


def _parsed(text: str) -> Any:
    try:
        schema = json.loads(text)
        fastavro.parse_schema(schema)
    except Exception as error:
        # The library raises many different types for invalid schemas.
        raise RegistryError(42201, f"Invalid schema: {error}") from error
    return schema


def _canonical(schema: Any) -> str:
    """Returns a form that is equal for schemas that differ only in white space and order of attributes."""
    return json.dumps(schema, sort_keys=True)
