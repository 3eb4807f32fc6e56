"""Counts the validations of request bodies."""

from collections.abc import Mapping

import pytest

from connector.kaufland.offers.models import UnitPatch


def counted_validations(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, int]]:
    """Returns a list that gets the data of each validation of an update's body from now on, in order."""
    validated: list[Mapping[str, int]] = []
    validate = UnitPatch.model_validate

    def counted(data: Mapping[str, int]) -> UnitPatch:
        validated.append(data)
        return validate(data)

    monkeypatch.setattr(UnitPatch, "model_validate", counted)
    return validated
