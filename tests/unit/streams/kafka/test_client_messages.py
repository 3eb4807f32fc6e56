"""A call without an answer fails with the client's most specific error, which tells whether waiting may help."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.errors import BrokerDown, SinkFailed, SourceFailed, StreamError
from streams.kafka.admin import ClusterAdmin
from streams.kafka.client_messages import ClientErrors
from streams.kafka.members import GroupMembers
from streams.kafka.produce_once import produce_record
from streams.kafka.settings import KafkaConnection
from streams.kafka.table import CompactedTable
from streams.kafka.topic_reader import read_key_values
from tests.harness.secured_broker import SecuredBroker, key_pair

ASK_S = 60.0
"""Long enough for a handshake on a busy machine; a refusal comes long before."""

NO_ANSWER = KafkaException(KafkaError(KafkaError._TRANSPORT, "Failed to get metadata: Local: Broker transport failure"))


def after(*heard: tuple[int, str]) -> ClientErrors:
    errors = ClientErrors("broker:9092")
    for code, text in heard:
        errors.on_error(KafkaError(code, text))
    return errors


@pytest.mark.parametrize(
    ("heard", "kind", "says"),
    [
        (
            (
                KafkaError._AUTHENTICATION,
                "b:1: SASL authentication error: invalid credentials (after 321ms in state X)",
            ),
            SourceFailed,
            "cannot connect to the broker at broker:9092: b:1: SASL authentication error: invalid credentials. Remedy",
        ),
        (
            (
                KafkaError._SSL,
                "b:1: SSL handshake failed: certificate verify failed (after 3ms in state SSL_HANDSHAKE)",
            ),
            SourceFailed,
            "broker:9092: b:1: SSL handshake failed: certificate verify failed. Remedy: check security.protocol",
        ),
        (
            (
                KafkaError._RESOLVE,
                "b:1: Failed to resolve 'b:1': Name or service not known (after 1ms in state CONNECT)",
            ),
            BrokerDown,
            "no broker answers at broker:9092: b:1: Failed to resolve 'b:1': Name or service not known",
        ),
        (
            (KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"),
            BrokerDown,
            "1/1 brokers are down; a TLS listener closes plaintext connections without an error",
        ),
    ],
)
def test_the_error_message_is_the_clients_own(heard: tuple[int, str], kind: type[StreamError], says: str) -> None:
    failure = after(heard, (KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")).failure(NO_ANSWER)

    assert type(failure) is kind
    assert says in str(failure)


def test_a_request_is_retried_until_the_client_reports_a_permanent_error() -> None:
    errors, pieces = after(), list[float]()

    class FakeClient:
        def poll(self, timeout_s: float) -> None:
            if len(pieces) == 4:
                errors.on_error(KafkaError(KafkaError._AUTHENTICATION, "wrong password"))

    def ask(for_s: float) -> None:
        pieces.append(for_s)
        raise NO_ANSWER

    with pytest.raises(KafkaException):
        errors.retry(FakeClient(), ask, 3_600.0)

    assert pieces == [0.5, 1.0, 2.0, 4.0]


def test_without_a_client_error_the_error_of_the_call_is_reported() -> None:
    assert str(after().failure(NO_ANSWER)) == (
        "no broker answers at broker:9092: Failed to get metadata: Local: Broker transport failure"
    )


def test_an_error_answered_by_the_broker_is_not_reported_as_broker_down() -> None:
    answer = KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, "Broker: Unknown topic or partition"))

    failure = after((KafkaError._TRANSPORT, "b:2: Connection refused")).failure(answer, "topic t")

    assert type(failure) is SourceFailed
    assert str(failure) == "topic t cannot be read: Broker: Unknown topic or partition"


# ---- every door -----------------------------------------------------------------------------------------------------


def _describes(connection: KafkaConnection) -> None:
    ClusterAdmin(connection.admin(), timeout_s=ASK_S).cluster_id()


def _reads_a_table(connection: KafkaConnection) -> None:
    CompactedTable(connection, "routing", reader="group", timeout_s=ASK_S).read()


def _reads_contents(connection: KafkaConnection) -> None:
    list(read_key_values(connection, "state", reader="group", timeout_s=ASK_S))


def _posts(connection: KafkaConnection) -> None:
    produce_record(connection, "scheduler", b"key", b"value", timeout_s=ASK_S)


DOORS = [_describes, _reads_a_table, _reads_contents, _posts]


@pytest.mark.kafka
@pytest.mark.parametrize("door", DOORS)
def test_every_client_reports_a_wrong_password(secured: SecuredBroker, door: Callable[[KafkaConnection], None]) -> None:
    properties: dict[str, Any] = {**secured.properties(secured.add_user()), "sasl.password": "wrong"}

    with pytest.raises(StreamError, match="SASL authentication error") as refused:
        door(KafkaConnection(bootstrap_servers=secured.bootstrap_servers, client_id="me", properties=properties))

    assert not isinstance(refused.value, BrokerDown), "waiting mends no password"
    assert "transport failure" not in str(refused.value)


@pytest.mark.kafka
@pytest.mark.parametrize("door", [_describes, _posts])
def test_a_wrong_ca_is_reported(
    secured: SecuredBroker, tmp_path: Path, door: Callable[[KafkaConnection], None]
) -> None:
    _, other = key_pair(tmp_path)
    properties = {**secured.properties(secured.add_user()), "ssl.ca.location": str(other)}

    with pytest.raises((SourceFailed, SinkFailed), match="certificate verify failed"):
        door(KafkaConnection(bootstrap_servers=secured.bootstrap_servers, client_id="me", properties=properties))


@pytest.mark.parametrize("door", [_reads_a_table, _reads_contents, _describes])
def test_an_unknown_host_is_reported_and_can_be_retried(
    monkeypatch: pytest.MonkeyPatch, door: Callable[[KafkaConnection], None]
) -> None:
    nowhere = KafkaConnection(bootstrap_servers="no-such-host.invalid:9092", client_id="me")
    monkeypatch.setattr(f"{__name__}.ASK_S", 0.5)

    with pytest.raises(BrokerDown, match="Failed to resolve"):
        door(nowhere)


def test_describing_a_group_fails_when_no_broker_answers() -> None:
    with pytest.raises(BrokerDown, match="Connection refused"):
        GroupMembers(KafkaConnection(bootstrap_servers="127.0.0.1:1", client_id="me"), "group", timeout_s=1.0).under(
            "me"
        )
