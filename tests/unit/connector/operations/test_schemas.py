"""``connector schemas``: registers, looks up and checks the subjects of the offer flow."""

import json
from collections.abc import Iterator
from io import StringIO

import pytest
from rich.console import Console

import schemas
from connector.contracts.registry_subjects import look_up, prefetch, value_subject, wanted
from connector.contracts.topics import Topics, named
from connector.operations.schemas import RegistrationOutcome, check, findings, register, registrations
from devstack.embedded_registry import EmbeddedRegistry
from streams.avro.compatibility import Level
from streams.errors import RegistryDown, SchemaUnknown
from streams.kafka.registry import RegistryClient

TOPICS = named("shop")
INPUT = value_subject(TOPICS.offer_changes)
RESULTS = value_subject(TOPICS.offer_results)


@pytest.fixture
def registry() -> Iterator[RegistryClient]:
    with EmbeddedRegistry() as server, RegistryClient(server.url) as client:
        yield client


@pytest.fixture
def console() -> Console:
    return Console(file=StringIO(), width=200)


def said(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_every_subject_is_registered_with_its_level(registry: RegistryClient, console: Console) -> None:
    assert register(console, registry, TOPICS)

    assert {subject: registry.level(subject) for subject in registry.subjects()} == {
        "shop.offer-changes.v1-value": Level.BACKWARD,
        "shop.offer-results.v1-value": Level.FULL_TRANSITIVE,
        "shop.offers-not-found.v1-value": Level.FULL_TRANSITIVE,
        "shop.offer-state.v1-value": Level.FULL_TRANSITIVE,
        "shop.marketplace-calls.v1-value": Level.FULL_TRANSITIVE,
        "shop.routing.v1-value": Level.FULL_TRANSITIVE,
        "shop.controls.v1-value": Level.FULL_TRANSITIVE,
        "shop.replays.v1-value": Level.FULL_TRANSITIVE,
    }
    assert "shop.offer-results.v1-value" in said(console)


def test_avro_keys_have_subjects_of_their_own(registry: RegistryClient, console: Console) -> None:
    assert register(console, registry, TOPICS, avro_keys=True)

    keys = [subject for subject in registry.subjects() if subject.endswith("-key")]
    assert len(keys) == 8
    ids = look_up(registry, TOPICS, avro_keys=True)
    assert ids.keys is not None
    assert registry.schema(ids.keys["offer_state"]) == '"string"'


def test_registering_again_changes_nothing(registry: RegistryClient) -> None:
    subjects = wanted(TOPICS, avro_keys=False)
    first = registrations(registry, subjects)

    again = registrations(registry, subjects)

    assert {row.outcome for row in first} == {RegistrationOutcome.REGISTERED}
    assert {row.outcome for row in again} == {RegistrationOutcome.ALREADY_THERE}
    assert [row.id for row in again] == [row.id for row in first]
    assert registry.versions(RESULTS) == (1,)


def test_schemas_of_the_input_are_left_to_its_producers(registry: RegistryClient) -> None:
    theirs = json.dumps({**schemas.load("offer_changed", 1), "doc": "ours, in our own words"})
    registry.set_level(INPUT, Level.NONE)
    registry.register(INPUT, theirs)

    rows = {row.subject: row.outcome for row in registrations(registry, wanted(TOPICS, avro_keys=False))}

    assert rows[INPUT] is RegistrationOutcome.LEFT
    assert (registry.versions(INPUT), registry.level(INPUT)) == ((1,), Level.NONE)


def test_a_refused_schema_is_reported_and_the_others_are_registered(registry: RegistryClient, console: Console) -> None:
    registry.register(RESULTS, '"string"')

    assert not register(console, registry, TOPICS)

    assert "refused" in said(console)
    assert registry.versions(value_subject(TOPICS.offer_state)) == (1,)


def test_ids_are_those_of_our_schemas_not_of_the_latest(registry: RegistryClient, console: Console) -> None:
    register(console, registry, TOPICS)
    ours = schemas.load("offer_result", schemas.newest("offer_result"))
    newer = json.loads(json.dumps(ours))
    newer["fields"].append({"name": "more", "type": ["null", "string"], "default": None})
    newest = registry.register(RESULTS, json.dumps(newer))

    ids = look_up(registry, TOPICS, avro_keys=False)

    assert ids.values["offer_result"] != newest
    assert json.loads(registry.schema(ids.values["offer_result"])) == ours
    assert ids.keys is None


def test_looking_up_names_every_missing_subject_and_the_remedy(registry: RegistryClient) -> None:
    with pytest.raises(SchemaUnknown) as missing:
        look_up(registry, TOPICS, avro_keys=False)

    assert "shop.offer-results.v1-value, shop.offers-not-found.v1-value" in str(missing.value)
    assert "connector schemas register" in str(missing.value)
    assert registry.subjects() == ()


def test_every_version_of_states_commands_and_routing_is_fetched(registry: RegistryClient, console: Console) -> None:
    register(console, registry, TOPICS)
    subject = value_subject(TOPICS.offer_state)
    newer = schemas.load("offer_state", 1)
    newer["fields"].append({"name": "more", "type": ["null", "string"], "default": None})
    registry.register(subject, json.dumps(newer))
    fetched: dict[int, str] = {}

    prefetch(registry, TOPICS, fetched.__setitem__)

    others = [registry.version(value_subject(topic), 1) for topic in (TOPICS.controls, TOPICS.routing)]
    states = (registry.version(subject, 1), registry.version(subject, 2))
    assert fetched == {known.id: known.schema for known in (*states, *others)}


def test_a_check_of_an_empty_registry_says_what_to_run(registry: RegistryClient, console: Console) -> None:
    assert not check(console, registry, TOPICS)

    assert said(console).count("connector schemas register") == 7


def test_a_check_after_registering_finds_nothing(registry: RegistryClient, console: Console) -> None:
    register(console, registry, TOPICS)

    assert check(console, registry, TOPICS)


def findings_by_subject(registry: RegistryClient, topics: Topics = TOPICS) -> dict[str, tuple[bool, str]]:
    """Returns by subject whether it is good, and the reason."""
    return {row.subject: (row.good, row.reason) for row in findings(registry, wanted(topics, avro_keys=False))}


def test_a_check_finds_a_level_that_is_too_weak(registry: RegistryClient, console: Console) -> None:
    register(console, registry, TOPICS)
    registry.set_level(RESULTS, Level.BACKWARD)

    good, reason = findings_by_subject(registry)[RESULTS]

    assert not good
    assert reason == "version 1 is registered, but the level is BACKWARD, not FULL_TRANSITIVE"


def test_a_check_finds_what_is_incompatible(registry: RegistryClient) -> None:
    registry.register(RESULTS, '"string"')

    good, reason = findings_by_subject(registry)[RESULTS]

    assert not good
    assert "incompatible" in reason


def test_a_check_finds_a_producers_schema_that_cannot_be_read(registry: RegistryClient) -> None:
    registry.set_level(INPUT, Level.NONE)
    registry.register(INPUT, schemas.text("offer_changed", 1))
    registry.register(
        INPUT, '{"type": "record", "name": "OfferChanged", "fields": [{"name": "ean", "type": "string"}]}'
    )

    good, reason = findings_by_subject(registry)[INPUT]

    assert not good
    assert reason.startswith("version 2 cannot be read: /event_id: is not written")


def test_an_input_without_a_subject_is_no_fault(registry: RegistryClient) -> None:
    good, reason = findings_by_subject(registry)[INPUT]

    assert good
    assert "the schema that they name" in reason


def test_a_registry_that_is_down_is_reported() -> None:
    with EmbeddedRegistry() as server:
        url = server.url

    with RegistryClient(url, timeout_s=1) as client, pytest.raises(RegistryDown):
        look_up(client, TOPICS, avro_keys=False)
