"""The simulator as a child process, a client of its control endpoints, and the offers that traffic can change."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import httpx
import orjson

from devstack.expectation import UnitThere
from devstack.processes import ModuleProcess
from devstack.traffic import OfferPlace
from simulator.journal import Journal

CURRENCY = {"de": "EUR", "at": "EUR", "sk": "EUR", "fr": "EUR", "it": "EUR", "cz": "CZK", "pl": "PLN"}

Units = Mapping[int, Mapping[str, Any]]
"""Unit id -> the unit's fields, by the marketplace's names."""


class SimulatorProcess:
    """The simulator in a process of its own; ``scenario`` is the content of a scenario file (TOML)."""

    def __init__(
        self, folder: Path, scenario: str, *, apart: bool = False, runs_as: type[ModuleProcess] = ModuleProcess
    ) -> None:
        path = folder / "scenario.toml"
        path.write_text(scenario, "utf-8")
        arguments = ["simulator", "--scenario", str(path)]
        self.process = runs_as("simulator", arguments, folder / "simulator.log", apart=apart)
        greeting = orjson.loads(self.process.first_line())
        self.url: str = greeting["url"]
        self.control = httpx.Client(base_url=greeting["control_url"], timeout=60, trust_env=False)

    def journal(self) -> Journal:
        return Journal.read(self.control.get("journal").raise_for_status().content.splitlines())

    def summary(self) -> dict[str, Any]:
        summary: dict[str, Any] = self.control.get("summary").raise_for_status().json()
        return summary

    def units(self) -> dict[int, dict[str, Any]]:
        lines = self.control.get("units").raise_for_status().content.splitlines()
        return {unit["id_unit"]: unit for unit in map(orjson.loads, lines)}

    def orders(self) -> list[dict[str, Any]]:
        """Returns the actual state of every order, with its units."""
        return list(map(orjson.loads, self.control.get("orders").raise_for_status().content.splitlines()))

    def buy(self, count: int) -> list[str]:
        """Places ``count`` orders of one or a few pieces each, and returns their ids."""
        made = self.control.post("orders", json={"count": count}).raise_for_status().json()["orders"]
        return [order["id_order"] for order in made]

    def edit(self, unit_id: int, **fields: Any) -> None:
        """Changes fields of a unit, by their API names, as a person in the portal would."""
        self.control.post(f"units/{unit_id}", json=fields).raise_for_status()

    def fault(self, name: str, do: Mapping[str, Any], **when: Any) -> None:
        self.control.post("faults", json={"name": name, "do": do, "when": when}).raise_for_status()

    def heal(self, name: str | None = None) -> None:
        self.control.delete("faults", params={"name": name} if name else None).raise_for_status()

    def policy(self, **change: Any) -> None:
        self.control.post("policy", json=change).raise_for_status()

    def rotate(self, seller: str, client_key: str, secret_key: str) -> None:
        keys = {"client_key": client_key, "secret_key": secret_key}
        self.control.post(f"sellers/{seller}/keys", json=keys).raise_for_status()


def condition_of(unit: Mapping[str, Any]) -> str:
    """Returns the unit's condition as events spell it: ``USED_GOOD`` for the marketplace's ``USED___GOOD``."""
    condition: str = unit["condition"]
    return condition.replace("___", "_")


def units_there(units: Units) -> list[UnitThere]:
    """Converts the marketplace's units for ``expectation``."""
    return [
        UnitThere(
            unit_id=unit_id,
            storefront=unit["storefront"],
            ean=unit["eans"][0],
            condition=condition_of(unit),
            offer_id=unit["id_offer"],
            values={name: unit[name] for name in ("listing_price", "amount", "handling_time")},
        )
        for unit_id, unit in units.items()
    ]


def places(units: Units, target: Callable[[str, str], str]) -> tuple[list[OfferPlace], list[OfferPlace]]:
    """Returns the places that exactly one unit matches, and those that several match.

    ``target`` maps (seller, storefront) to the target id.
    """
    grouped: dict[tuple[str, str, str], list[OfferPlace]] = {}
    for place in _places(units, target):
        grouped.setdefault((place.target_id, place.ean, place.condition), []).append(place)
    groups = grouped.values()
    return [group[0] for group in groups if len(group) == 1], [group[0] for group in groups if len(group) > 1]


def _places(units: Units, target: Callable[[str, str], str]) -> Iterable[OfferPlace]:
    for unit_id, unit in units.items():
        yield OfferPlace(
            target_id=target(unit["seller"], unit["storefront"]),
            ean=unit["eans"][0],
            condition=condition_of(unit),
            currency=CURRENCY[unit["storefront"]],
            unit_id=unit_id,
            offer_id=unit["id_offer"],
        )
