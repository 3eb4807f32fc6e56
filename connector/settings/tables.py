"""Validates each table of the file on its own, and keeps the valid settings of tables that have problems. Pure.

An invalid setting is replaced by its default, or None, and its name is added to ``unread``. So the rest of its table
can still be checked against other tables, and one message names all problems. pydantic alone does not do this: a model
with one invalid field has no values, and its validators across fields do not run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar, cast

from pydantic import BaseModel, ValidationError, create_model

from connector.settings import model
from connector.settings.problems import SettingsProblem, of_validation, unknown

S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialTable(Generic[S]):
    """One table with its valid settings."""

    values: S
    unread: frozenset[str] = frozenset()

    def has(self, *settings: str) -> bool:
        """Whether each of these settings is either valid or not given."""
        return self.unread.isdisjoint(settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """All tables of a configuration."""

    sections: Mapping[str, PartialTable[Any]]
    accounts: Mapping[str, PartialTable[model.AccountSettings]]
    targets: Mapping[str, PartialTable[model.TargetSettings]]

    @classmethod
    def read(cls, tree: Mapping[str, Any], problems: list[SettingsProblem]) -> Self:
        """Validates every table; problems within a table are appended to ``problems``."""
        known = list(model.Settings.model_fields)
        problems += [
            SettingsProblem(setting=name, message=unknown(name, known)) for name in sorted(set(tree) - set(known))
        ]
        sections = {
            name: _table(_type_of(name), tree.get(name, {}), (name,), problems)
            for name in known
            if name not in model.TABLES_BY_NAME
        }
        return cls(
            sections={name: table for name, table in sections.items() if table is not None},
            accounts=_by_name(model.AccountSettings, "accounts", tree, problems),
            targets=_by_name(model.TargetSettings, "targets", tree, problems),
        )

    def section(self, kind: type[S]) -> PartialTable[S] | None:
        """Returns the section of this type, or None if the file has no table in its place."""
        return next((table for table in self.sections.values() if isinstance(table.values, kind)), None)

    def settings(self) -> model.Settings:
        """Returns the whole settings. To be called only if there was no problem."""
        return model.Settings(
            **{name: table.values for name, table in self.sections.items()},
            accounts={name: table.values for name, table in self.accounts.items()},
            targets={name: table.values for name, table in self.targets.items()},
        )


def _by_name(
    kind: type[S], name: str, tree: Mapping[str, Any], problems: list[SettingsProblem]
) -> Mapping[str, PartialTable[S]]:
    """Validates the tables of accounts or targets."""
    written = tree.get(name, {})
    if not isinstance(written, Mapping):
        problems.append(_no_table(name))
        return {}
    if not written:
        problems.append(
            SettingsProblem(setting=name, message=f"none is configured; expected at least one [{name}.NAME]")
        )
    tables = {entry: _table(kind, value, (name, entry), problems) for entry, value in written.items()}
    return {entry: table for entry, table in tables.items() if table is not None}


def _table(
    kind: type[S], written: Any, path: tuple[str, ...], problems: list[SettingsProblem]
) -> PartialTable[S] | None:
    """Validates one table; None if the value is not a table."""
    if not isinstance(written, Mapping):
        problems.append(_no_table(".".join(path)))
        return None
    try:
        return PartialTable(values=kind.model_validate(dict(written)))
    except ValidationError as error:
        problems += of_validation(error, kind, path)
        unread = frozenset(str(row["loc"][0]) for row in error.errors(include_url=False))
        return PartialTable(values=_rest(kind, written, unread), unread=unread)


def _rest(kind: type[S], written: Mapping[str, Any], unread: frozenset[str]) -> S:
    """Builds the section from its valid settings, with defaults for the others."""
    fields = {name: field for name, field in kind.model_fields.items() if name in unread}
    placeholders: dict[str, Any] = {
        name: (Any, None if field.is_required() else field.default) for name, field in fields.items()
    }
    lenient = create_model(kind.__name__, __base__=kind, **placeholders)
    return lenient.model_validate({name: value for name, value in written.items() if name not in unread})


def _type_of(section: str) -> type[BaseModel]:
    return cast("type[BaseModel]", model.Settings.model_fields[section].annotation)


def _no_table(name: str) -> SettingsProblem:
    return SettingsProblem(setting=name, message=f"should be a table: [{name}]")
