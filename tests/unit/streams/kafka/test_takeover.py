"""A starting process gives way to a live member with its instance id, and replaces a dead one."""

from dataclasses import replace

import pytest

from streams.kafka.takeover import InstanceIdInUse, SameIdMember, SameIdMembers, Takeover

OTHER = SameIdMember(member_id="one-1", host="/10.0.0.7", commits=(("in", 0, 5, "serial 7"),))
IDLE = SameIdMember(member_id="one-1", host="/10.0.0.7")


def sight(*members: SameIdMember, stable: bool = True) -> SameIdMembers:
    return SameIdMembers(members=members, stable=stable)


@pytest.fixture
def takeover() -> Takeover:
    return Takeover(lease_s=4.0, session_s=15.0)


def test_an_instance_id_that_no_member_uses_is_free(takeover: Takeover) -> None:
    assert takeover.observe(sight(), 0.0) is None


def test_a_member_that_commits_keeps_its_instance_id(takeover: Takeover) -> None:
    assert takeover.observe(sight(OTHER), 0.0) is not None

    with pytest.raises(InstanceIdInUse, match=r"member one-1 on /10.0.0.7 has just committed"):
        takeover.observe(sight(replace(OTHER, commits=(("in", 0, 5, "serial 8"),))), 1.0)


@pytest.mark.parametrize("member", [OTHER, IDLE], ids=["had committed", "had never"])
def test_a_member_that_stays_in_the_group_for_two_sessions_keeps_its_instance_id(
    takeover: Takeover, member: SameIdMember
) -> None:
    """It may be restoring, or its partitions may be stopped: only its removal shows that it is dead."""
    for at_s in range(32):
        assert "waiting until it is removed from the group" in str(takeover.observe(sight(member), float(at_s)))

    with pytest.raises(InstanceIdInUse, match="has been in the group for 32 s"):
        takeover.observe(sight(member), 32.0)


def test_a_static_member_that_commits_nothing_for_a_lease_is_replaced_by_its_successor() -> None:
    """It stays in the group for its session timeout, even after a clean shutdown: each restart would wait for that."""
    takeover = Takeover(lease_s=4.0, session_s=15.0, static=True)
    said = [takeover.observe(sight(replace(OTHER, static=True)), at_s) for at_s in (0.0, 2.0, 4.0, 5.1)]

    assert all("waiting until it has not committed for one lease" in str(words) for words in said[:3])
    assert said[3] is None


@pytest.mark.parametrize(("ours", "its"), [(True, False), (False, True)])
def test_a_member_that_joining_does_not_replace_must_have_left_the_group(ours: bool, its: bool) -> None:
    takeover = Takeover(lease_s=4.0, session_s=15.0, static=ours)

    assert all(takeover.observe(sight(replace(OTHER, static=its)), at_s) for at_s in (0.0, 4.0, 8.0, 12.0, 16.0))


def test_a_member_removed_from_the_group_frees_its_instance_id(takeover: Takeover) -> None:
    assert takeover.observe(sight(IDLE), 0.0) is not None
    assert takeover.observe(sight(), 1.0) is None


def test_a_rebalance_or_a_broker_outage_restarts_the_wait_for_a_silent_member(takeover: Takeover) -> None:
    takeover.observe(sight(OTHER), 0.0)
    takeover.observe(sight(OTHER, stable=False), 4.0)
    assert takeover.observe(sight(OTHER), 8.0) is not None

    assert takeover.observe(sight(OTHER), 60.0) is not None
    assert takeover.observe(sight(OTHER), 62.0) is not None


def test_a_rebalance_starts_the_two_sessions_anew(takeover: Takeover) -> None:
    moments = [*range(30), *range(31, 60)]
    for at_s in moments:
        assert takeover.observe(sight(IDLE, stable=at_s != 29), float(at_s)) is not None
