"""Claims of several EANs on one offer, over the embedded broker and a real one: all processes see the same owner."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from connector.offers.call_bodies import CLAIM, RELEASE, OfferClaim, OfferRelease, Owner
from connector.offers.claims import Claims
from devstack.embedded_broker import EmbeddedBroker
from devstack.stack import Stack
from streams.clock import SystemClock
from streams.errors import SinkFailed, SourceFailed
from streams.flow import Answer, Call, Item, Retry, Settled
from streams.kafka.settings import KafkaConnection
from streams.kafka.shared_log import SharedLog
from tests.contracts.brokers import KafkaAdapter

CLOCK = SystemClock()
WITHIN_S = 60.0
EMBEDDED = "owners"  # on a broker without topic ids


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.kafka)])
def place(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Yields address and topic."""
    if request.param == "embedded":
        with EmbeddedBroker() as broker:
            broker.create_topic(EMBEDDED, 1)
            yield broker.bootstrap_servers, EMBEDDED
        return
    stack: Stack = request.getfixturevalue("kafka")
    topic = stack.create_topic("owners", 1, {"cleanup.policy": "compact"})
    yield stack.bootstrap_servers, topic
    stack.delete_topic(topic)


def followed(place: tuple[str, str]) -> SharedLog:
    connection = KafkaConnection(bootstrap_servers=place[0], client_id="test", properties={"log_level": 0})
    return SharedLog(connection, place[1], reader="reader", topic_ids=place[1] != EMBEDDED)


def process(place: tuple[str, str]) -> Claims:
    return Claims(followed(place), CLOCK)


def asked(claims: Claims, *bodies: OfferClaim | OfferRelease) -> Answer:
    """Repeats a call until it is settled, like the engine: a new topic has no leader at first."""
    kind = CLAIM if isinstance(bodies[0], OfferClaim) else RELEASE
    items = tuple(Item(body=body, attempt=1) for body in bodies)
    by_s = CLOCK.now().mono_s + WITHIN_S
    while True:
        call = Call(id="c", account="main", kind=kind, items=items, send_by_s=by_s, give_up_at_s=by_s)
        answer = claims.call(call)
        if CLOCK.now().mono_s > by_s or not any(isinstance(reply, Retry) for reply in answer.replies):
            return answer


def owners(answer: Answer) -> list[str]:
    found = []
    for reply in answer.replies:
        assert isinstance(reply, Settled), answer
        assert isinstance(reply.answer, Owner)
        found.append(reply.answer.ean)
    return found


def claim(ean: str, unit_id: int = 7, *names: str) -> OfferClaim:
    return OfferClaim(account="main", unit_id=unit_id, names=(*names, f"unit/{unit_id}"), ean=ean)


def test_many_processes_that_claim_at_once_all_read_the_same_owners(place: tuple[str, str]) -> None:
    units = list(range(20))

    def claimed(ean: str) -> list[str]:
        mine = units if ean < "3" else units[::-1]
        heard = owners(asked(process(place), *(claim(ean, unit_id, f"offer/{unit_id % 15}") for unit_id in mine)))
        return [owner for _, owner in sorted(zip(mine, heard, strict=True))]

    with ThreadPoolExecutor(5) as threads:
        heard = list(threads.map(claimed, ["1", "2", "3", "4", "5"]))

    assert all(one == heard[0] for one in heard)
    assert [claimed(ean) for ean in ("1", "5")] == [heard[0]] * 2


def test_a_released_offer_passes_to_the_next_claim_with_the_accepted_times(place: tuple[str, str]) -> None:
    first, second = process(place), process(place)
    assert owners(asked(first, claim("1"))) == owners(asked(second, claim("2"))) == ["1"]

    asked(first, OfferRelease(account="main", unit_id=7, names=("unit/7",), ean="1", accepted={"stock": 5}))

    [reply] = asked(second, claim("2")).replies
    assert isinstance(reply, Settled)
    assert reply.answer == Owner(ean="2", accepted={"stock": 5})


def test_every_record_is_read_once_and_in_order(place: tuple[str, str]) -> None:
    asked(process(place), claim("1"))  # creates the topic
    topic = followed(place)
    before = topic.read(WITHIN_S)
    assert len(before[1]) == 1

    topic.write([(b"a", b"1"), (b"b", b"2")], WITHIN_S)

    assert topic.read(WITHIN_S) == (False, [(1, b"a", b"1"), (2, b"b", b"2")])
    assert topic.read(WITHIN_S) == (False, [])
    topic.write([(b"a", b"3")], WITHIN_S)
    assert topic.read(WITHIN_S) == (False, [(3, b"a", b"3")])


@pytest.mark.kafka
def test_a_topic_that_was_created_again_and_has_grown_past_the_old_one_is_read_from_its_beginning(
    kafka: Stack,
) -> None:
    real = KafkaAdapter(kafka)
    name = real.create_topic("owners", 1)
    topic = followed((kafka.bootstrap_servers, name))
    topic.write([(b"a", b"1"), (b"b", b"2")], WITHIN_S)
    assert topic.read(WITHIN_S) == (False, [(0, b"a", b"1"), (1, b"b", b"2")])

    real.recreate_topic(name, 1)
    new = [(b"c", b"3"), (b"d", b"4"), (b"e", b"5")]
    topic.write(new, WITHIN_S)

    assert topic.read(WITHIN_S) == (True, [(offset, *row) for offset, row in enumerate(new)])
    assert topic.read(WITHIN_S) == (False, [])
    kafka.delete_topic(name)


def test_a_broker_that_is_down_is_reported_and_retried() -> None:
    nobody = ("127.0.0.1:9", "owners")

    with pytest.raises(SourceFailed, match="owners cannot be read"):
        followed(nobody).read(0.5)
    with pytest.raises(SinkFailed, match="owners cannot be written"):
        followed(nobody).write([(b"a", b"1")], 0.5)
    now_s = CLOCK.now().mono_s
    call = Call(
        id="c", account="main", kind=CLAIM, items=(Item(body=claim("1"), attempt=1),), send_by_s=now_s + 1,
        give_up_at_s=now_s + 1,
    )  # fmt: skip
    [reply] = process(nobody).call(call).replies
    assert isinstance(reply, Retry)
    assert not reply.counts
