"""Matches the seller's carrier names to the marketplace's codes, by name or alias. Pure.

Case and white space are ignored. A name that is only similar to a code is unknown.
"""

from collections.abc import Iterable, Mapping

from connector.shipments.policy import loosened


class CarrierNames:
    """One carrier table: the marketplace's codes, and the seller's aliases for them."""

    def __init__(self, codes: Iterable[str], aliases: Mapping[str, str]) -> None:
        self._codes = frozenset(codes)
        self._loose = _unambiguous((loosened(code), code) for code in self._codes)
        self._aliases = _unambiguous((loosened(alias), code) for alias, code in aliases.items())
        self._exact_aliases = dict(aliases)

    @property
    def codes(self) -> frozenset[str]:
        """The marketplace's codes."""
        return self._codes

    def match(self, name: str) -> str | None:
        """Returns the marketplace's code for a name, or None. A code of the table takes precedence over an alias."""
        found = self._of_table(name)
        if found is not None:
            return found
        meant = self._exact_aliases.get(name) or self._aliases.get(loosened(name))
        return self._of_table(meant) if meant is not None else None

    def lacks(self, codes: Iterable[str]) -> tuple[str, ...]:
        """Returns those of the codes that the table does not have, ascending."""
        return tuple(sorted({code for code in codes if self._of_table(code) is None}))

    def _of_table(self, name: str) -> str | None:
        return name if name in self._codes else self._loose.get(loosened(name))


def _unambiguous(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Returns the pairs as a mapping, without keys that two different codes share: these match nothing."""
    found: dict[str, set[str]] = {}
    for key, code in pairs:
        found.setdefault(key, set()).add(code)
    return {key: codes.pop() for key, codes in found.items() if len(codes) == 1}
