"""A member's state in its group, derived from the client's statistics; when the client is replaced."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devstack.stack import Stack
from streams.kafka.source import KafkaSource
from streams.membership import Isolation, Membership, Replacement, ReplacementReason, is_severed, observed
from tests.contracts.brokers import KafkaAdapter, RecordingMember, closing, until

NOW_S = 100.0
MEMBER = Membership(joined_as="a", settled=True, connected=True, heard_at_s=99.0, assigned=2)


def statistics(join_state: str, coordinator_state: str, rxidle_us: int) -> dict[str, Any]:
    """Returns the fields that are used, in the form of librdkafka 2.16."""
    coordinator = {"name": "GroupCoordinator", "nodeid": 1, "state": coordinator_state, "rxidle": rxidle_us}
    other = {"name": "127.0.0.1:9092/1", "nodeid": 1, "state": "UP", "rxidle": 3_000}
    return {
        "cgrp": {"state": "up", "join_state": join_state},
        "brokers": {"GroupCoordinator": coordinator, "127.0.0.1:9092/1": other},
    }


def seen(before: Membership, join_state: str, state: str, rxidle_us: int, member_id: str | None) -> Membership:
    return observed(before, statistics(join_state, state, rxidle_us), member_id, NOW_S)


def test_a_settled_member_has_joined_and_its_coordinators_last_answer_is_known() -> None:
    assert seen(Membership(), "steady", "UP", 250_000, "a") == Membership(
        joined_as="a", settled=True, connected=True, heard_at_s=99.75
    )


@pytest.mark.parametrize(
    ("sources", "severed"),
    [
        (("logical", "internal"), True),  # remain after a broker has described a cluster without brokers
        ((), True),
        (("configured",), False),  # before the first connection
        (("logical", "internal", "learned"), False),
    ],
)
def test_a_client_without_any_broker_address_is_severed(sources: tuple[str, ...], *, severed: bool) -> None:
    brokers = {f"b{number}": {"source": source} for number, source in enumerate(sources)}

    assert is_severed({"brokers": brokers}) is severed


def test_a_client_without_a_connection_for_a_session_is_replaced_and_the_time_starts_again() -> None:
    isolation = Isolation(session_s=15.0)
    alone = statistics("init", "TRY_CONNECT", -1)
    alone["brokers"]["127.0.0.1:9092/1"]["state"] = "TRY_CONNECT"

    assert [isolation.is_over(alone, at_s) for at_s in (0.0, 14.9, 15.0, 16.0, 31.0)] == [
        False,
        False,
        True,
        False,
        True,
    ]


def test_one_connection_is_enough_and_the_time_starts_again_when_it_is_lost() -> None:
    isolation = Isolation(session_s=15.0)
    alone = statistics("steady", "TRY_CONNECT", -1)
    alone["brokers"]["127.0.0.1:9092/1"]["state"] = "TRY_CONNECT"
    connected = statistics("steady", "TRY_CONNECT", -1)

    seen = [isolation.is_over(s, at_s) for s, at_s in ((alone, 0.0), (connected, 10.0), (alone, 20.0), (alone, 34.0))]
    assert not any(seen)


UNCOORDINATED = statistics("init", "INIT", -1)
"""Statistics with one broker that is up, and without a coordinator."""
UNCOORDINATED["brokers"]["127.0.0.1:9092/1"]["source"] = "learned"


def causes(told: dict[str, Any], seen: Membership, *at_s: float) -> list[ReplacementReason | None]:
    replacement = Replacement(session_s=15.0, poll_interval_s=60.0)
    return [replacement.cause(told, seen, now_s) for now_s in at_s]


def test_a_client_without_coordinator_contact_for_three_sessions_is_replaced() -> None:
    assert causes(UNCOORDINATED, Membership(), 0.0, 44.0, 45.0, 46.0) == [
        None,
        None,
        ReplacementReason.UNCOORDINATED,
        None,
    ]


def test_recent_coordinator_contact_keeps_the_client() -> None:
    assert causes(UNCOORDINATED, Membership(heard_at_s=50.0), 0.0, 45.0, 94.0, 95.0)[-2:] == [
        None,
        ReplacementReason.UNCOORDINATED,
    ]


def test_a_settled_member_is_not_replaced_while_its_coordinator_is_silent() -> None:
    assert not any(causes(UNCOORDINATED, replace(MEMBER, heard_at_s=0.0), 0.0, 1000.0))


def test_a_connected_coordinator_gets_the_poll_interval_for_others_to_join() -> None:
    joining = Membership(connected=True, heard_at_s=0.0)

    assert causes(UNCOORDINATED, joining, 0.0, 45.0, 74.0, 75.0) == [None, None, None, ReplacementReason.UNCOORDINATED]


def test_clients_are_replaced_less_often_while_the_cluster_lists_no_brokers() -> None:
    nobody = {"brokers": {"GroupCoordinator": {"source": "logical", "state": "UP"}}}
    seconds = [float(second) for second in range(300)]
    found = causes(nobody, Membership(), *seconds)

    replaced = [second for second, cause in zip(seconds, found, strict=True) if cause is ReplacementReason.SEVERED]
    assert replaced == [0.0, 5.0, 15.0, 35.0, 75.0, 135.0, 195.0, 255.0]


def test_the_waits_between_replacements_start_over_once_a_client_was_settled() -> None:
    nobody = {"brokers": {"GroupCoordinator": {"source": "logical", "state": "UP"}}}
    replacement = Replacement(session_s=15.0, poll_interval_s=60.0)
    for second in range(36):
        replacement.cause(nobody, Membership(), float(second))
    replacement.cause(UNCOORDINATED, MEMBER, 74.0)

    assert replacement.cause(nobody, Membership(), 75.0) is ReplacementReason.SEVERED
    assert replacement.cause(nobody, Membership(), 80.0) is ReplacementReason.SEVERED


def test_statistics_without_brokers_do_not_mean_severed() -> None:
    assert not is_severed({})


def test_a_member_id_alone_is_no_membership() -> None:
    assert not seen(Membership(), "wait-join", "UP", 0, "a").joined


def test_a_rebalancing_member_stays_a_member_and_is_not_settled() -> None:
    found = seen(MEMBER, "wait-sync", "UP", 0, "a")

    assert found.joined
    assert not found.settled


@pytest.mark.parametrize("member_id", [None, "", "b"])
def test_a_member_whose_id_is_gone_or_changed_has_left(member_id: str | None) -> None:
    assert not seen(MEMBER, "wait-join", "UP", 0, member_id).joined


def test_without_a_connection_the_last_contact_stays_the_same() -> None:
    found = seen(MEMBER, "steady", "TRY_CONNECT", -1, "a")

    assert (found.connected, found.heard_at_s) == (False, MEMBER.heard_at_s)
    assert found == replace(MEMBER, connected=False)


@given(
    cgrp=st.dictionaries(st.sampled_from(["join_state", "state"]), st.text()),
    brokers=st.dictionaries(
        st.sampled_from(["GroupCoordinator", "b:1/1"]),
        st.fixed_dictionaries({}, optional={"state": st.text(), "rxidle": st.integers(-1, 10**12)}),
    ),
    member_id=st.none() | st.text(),
)
def test_whatever_the_statistics_lack_is_never_read_as_membership(
    cgrp: dict[str, str], brokers: dict[str, Any], member_id: str | None
) -> None:
    found = observed(Membership(), {"cgrp": cgrp, "brokers": brokers}, member_id, NOW_S)

    assert found.joined == (cgrp.get("join_state") == "steady" and bool(member_id))
    assert found.connected == (brokers.get("GroupCoordinator", {}).get("state") == "UP")
    assert found.heard_at_s is None or found.heard_at_s <= NOW_S


@pytest.mark.kafka
def test_a_member_without_partitions_is_in_the_group_too(kafka: Stack) -> None:
    real, topics = KafkaAdapter(kafka), {kafka.create_topic("in"): kafka.create_topic("state")}
    group = kafka.unique("group")
    sources = [real.source(group=group, topics=topics) for _ in range(2)]
    members = [RecordingMember(source=source) for source in sources]
    with closing(*sources):
        seen = [source.membership for source in sources if isinstance(source, KafkaSource)]
        assert not any(one.joined for one in seen)

        def settled() -> bool:
            now = [source.membership for source in sources if isinstance(source, KafkaSource)]
            return all(one.joined and one.settled and one.connected for one in now) and any(m.owned for m in members)

        until(settled, *members)

        found = [source.membership for source in sources if isinstance(source, KafkaSource)]
        assert sorted(one.assigned for one in found) == [0, 1]
        assert all(one.heard_at_s is not None for one in found)
