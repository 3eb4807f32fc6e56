"""Settings into the values that the runtime understands."""

import pytest

from connector.settings import convert, model


@pytest.mark.parametrize(("workers", "urgent"), [(64, 4), (8, 2), (3, 0), (1, 0)])
def test_no_more_calls_are_under_way_than_there_are_workers_and_few_of_them_are_kept_back(
    workers: int, urgent: int
) -> None:
    policy = convert.policy(model.Processing(workers=workers))

    assert (policy.max_calls, policy.urgent_calls) == (workers, urgent)


def test_a_group_of_endpoints_has_a_pace_of_its_own_only_where_that_is_configured() -> None:
    rate = model.Rate(groups=model.RateGroups(units_write=10))

    assert convert.pace(model.Account(rate=rate)).groups == {"units_write": 10}
    assert convert.pace(model.Account()).groups == {}
