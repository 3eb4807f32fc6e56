"""Successful responses to sending an order unit and to adding a parcel."""

import pytest

from connector.marketplace.call_kinds import CallKind
from connector.marketplace.orders import Taken
from streams.flow import Lost, Settled
from tests.unit.connector.kaufland.verdict.test_judge import heard
from tests.unit.connector.kaufland.verdict.test_judge_orders import SENDING, one


@pytest.mark.parametrize("kind", SENDING)
def test_only_a_204_means_that_a_parcel_was_accepted(kind: CallKind) -> None:
    assert one(kind, heard(204)) == Settled(answer=Taken(http_status=204))
    assert isinstance(one(kind, heard(200, {"data": {}})), Lost)
    assert isinstance(one(kind, heard(201, {"data": {}})), Lost)
