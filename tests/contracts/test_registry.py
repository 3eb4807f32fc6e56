"""The contract of a schema registry, checked against the embedded one and a real one."""

import json
from collections.abc import Iterator, Mapping

import httpx
import pytest

import schemas
from connector.contracts.registry_subjects import look_up, wanted
from connector.contracts.topics import named
from connector.operations.schemas import RegistrationOutcome, findings, registrations
from devstack.embedded_registry import EmbeddedRegistry
from devstack.stack import Stack
from streams.avro.codec import Absent
from streams.avro.compatibility import Level
from streams.errors import RegistryDenied, RegistryDown, SchemaRefused, SchemaUnknown
from streams.kafka.registry import RegistryClient, SchemaCache

UNKNOWN_ID = 2_000_000_000


@pytest.fixture(scope="module")
def embedded() -> Iterator[str]:
    with EmbeddedRegistry() as registry:
        yield registry.url


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.kafka)])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "embedded":
        return str(request.getfixturevalue("embedded"))
    stack: Stack = request.getfixturevalue("kafka")
    return stack.registry_url


@pytest.fixture
def client(url: str) -> Iterator[RegistryClient]:
    with RegistryClient(url) as opened:
        yield opened


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> str:
    return f"{request.node.name.translate(str.maketrans('[]', '..'))}-{id(request)}-value"


def record(*fields: Mapping[str, object], name: str = "Thing") -> str:
    return json.dumps({"type": "record", "name": name, "fields": list(fields)})


ID = {"name": "id", "type": "string"}
NOTE = {"name": "note", "type": ["null", "string"], "default": None}
MUST = {"name": "must", "type": "string"}


def test_a_registered_schema_is_read_by_its_id(client: RegistryClient, subject: str) -> None:
    schema_id = client.register(subject, record(ID))

    assert json.loads(client.schema(schema_id)) == json.loads(record(ID))


def test_registering_again_changes_nothing(client: RegistryClient, subject: str) -> None:
    first = client.register(subject, record(ID))

    assert client.register(subject, record(ID)) == first
    assert client.versions(subject) == (1,)


def test_a_schema_under_two_subjects_has_one_id(client: RegistryClient, subject: str) -> None:
    assert client.register(subject, record(ID)) == client.register(f"other-{subject}", record(ID))


def test_the_latest_version_is_the_newest(client: RegistryClient, subject: str) -> None:
    client.register(subject, record(ID))
    newest = client.register(subject, record(ID, NOTE))

    latest = client.latest(subject)

    assert latest is not None
    assert (latest.id, latest.version, latest.subject) == (newest, 2, subject)
    assert client.versions(subject) == (1, 2)
    assert json.loads(client.version(subject, 1).schema) == json.loads(record(ID))


def test_a_schema_is_found_under_its_subject_only(client: RegistryClient, subject: str) -> None:
    schema_id = client.register(subject, record(ID))

    found = client.find(subject, record(ID))

    assert found is not None
    assert (found.id, found.version) == (schema_id, 1)
    assert client.find(subject, record(ID, NOTE)) is None
    assert client.find(f"other-{subject}", record(ID)) is None


def test_a_missing_schema_is_reported_as_unknown(client: RegistryClient, subject: str) -> None:
    assert client.latest(subject) is None
    assert client.versions(subject) == ()
    with pytest.raises(SchemaUnknown):
        client.schema(UNKNOWN_ID)
    with pytest.raises(SchemaUnknown):
        client.version(subject, 1)


def test_a_subject_is_listed_once_it_is_registered(client: RegistryClient, subject: str) -> None:
    client.register(subject, record(ID))

    assert subject in client.subjects()


@pytest.mark.parametrize("level", [Level.BACKWARD, Level.FULL, Level.FULL_TRANSITIVE])
def test_an_incompatible_schema_is_refused_and_leaves_nothing(
    client: RegistryClient, subject: str, level: Level
) -> None:
    client.set_level(subject, level)
    client.register(subject, record(ID))

    with pytest.raises(SchemaRefused):
        client.register(subject, record(ID, MUST))

    assert client.versions(subject) == (1,)


def test_a_forward_level_refuses_what_old_readers_cannot_read(client: RegistryClient, subject: str) -> None:
    client.set_level(subject, Level.FORWARD)
    client.register(subject, record(ID, MUST))

    assert not client.compatible(subject, record(ID))
    assert client.compatible(subject, record(ID, MUST, NOTE))


def test_a_transitive_level_compares_with_every_version(client: RegistryClient, subject: str) -> None:
    client.set_level(subject, Level.FULL)
    client.register(subject, record(ID, {**NOTE, "type": "string", "default": ""}))
    client.register(subject, record(ID))
    client.register(subject, record(ID, {"name": "note", "type": "long", "default": 0}))
    client.set_level(subject, Level.FULL_TRANSITIVE)

    with pytest.raises(SchemaRefused):
        client.register(subject, record(ID, {"name": "note", "type": "double", "default": 0.0}))


def test_a_subject_without_a_level_is_not_checked(client: RegistryClient, subject: str) -> None:
    client.register(subject, record(ID))

    assert client.level(subject) in (None, Level.NONE)


def test_a_compatibility_level_can_be_set_before_the_first_version(client: RegistryClient, subject: str) -> None:
    client.set_level(subject, Level.FULL_TRANSITIVE)

    assert client.level(subject) is Level.FULL_TRANSITIVE
    assert client.compatible(subject, record(ID))


def test_text_that_is_no_schema_is_refused(client: RegistryClient, subject: str) -> None:
    with pytest.raises(SchemaRefused):
        client.register(subject, '{"type": "recrod"}')


@pytest.mark.parametrize("name", schemas.NAMES)
def test_every_published_schema_can_be_registered_and_read_back(
    client: RegistryClient, subject: str, name: str
) -> None:
    client.set_level(subject, Level.FULL_TRANSITIVE)
    for version in schemas.versions(name):
        schema_id = client.register(subject, schemas.text(name, version))
        assert json.loads(client.schema(schema_id)) == schemas.load(name, version)


def test_a_new_optional_field_passes_the_strictest_level(client: RegistryClient, subject: str) -> None:
    newest = schemas.load("offer_result", 1)
    client.set_level(subject, Level.FULL_TRANSITIVE)
    client.register(subject, json.dumps(newest))

    newest["fields"].append({"name": "more", "type": ["null", "string"], "default": None})

    assert client.compatible(subject, json.dumps(newest))


def test_a_new_symbol_of_an_enum_with_a_default_passes_the_strictest_level(
    client: RegistryClient, subject: str
) -> None:
    newest = schemas.load("offer_result", 1)
    client.set_level(subject, Level.FULL_TRANSITIVE)
    client.register(subject, json.dumps(newest))

    newest["fields"][2]["type"]["symbols"].append("BRAND_NEW")

    assert client.compatible(subject, json.dumps(newest))


def test_the_subjects_of_the_offer_flow_are_registered_and_found_in_order(client: RegistryClient, subject: str) -> None:
    topics = named(subject)
    subjects = wanted(topics, avro_keys=True)

    rows = registrations(client, subjects)

    assert {row.outcome for row in rows} == {RegistrationOutcome.REGISTERED}
    assert {row.outcome for row in registrations(client, subjects)} == {RegistrationOutcome.ALREADY_THERE}
    assert all(finding.good for finding in findings(client, subjects))
    ids = look_up(client, topics, avro_keys=True)
    assert {ids.values["offer_result"], ids.values["offer_state"]} < {row.id for row in rows}


# ---- the cache, over each of them -----------------------------------------------------------------------------------


def test_a_schema_is_in_the_cache_once_it_was_fetched(client: RegistryClient, subject: str) -> None:
    schema_id = client.register(subject, record(ID))
    cache = SchemaCache(client)
    assert cache.get(schema_id) is None

    cache.fetch(schema_id)

    text = cache.get(schema_id)
    assert isinstance(text, str)
    assert json.loads(text) == json.loads(record(ID))


def test_an_unknown_id_is_cached_for_a_while(client: RegistryClient) -> None:
    now_s = 100.0
    cache = SchemaCache(client, unknown_s=60, clock=lambda: now_s)

    cache.fetch(UNKNOWN_ID)
    assert cache.get(UNKNOWN_ID) is Absent.ABSENT

    now_s += 61
    assert cache.get(UNKNOWN_ID) is None


# ---- down -----------------------------------------------------------------------------------------------------------


def test_a_registry_that_goes_down_leaves_cached_schemas_usable(subject: str) -> None:
    with EmbeddedRegistry() as registry:
        client = RegistryClient(registry.url, timeout_s=2)
        schema_id = client.register(subject, record(ID))
        cache = SchemaCache(client)
        cache.fetch(schema_id)

    with client, pytest.raises(RegistryDown):
        cache.fetch(schema_id + 1)
    assert cache.get(schema_id) == record(ID)
    assert cache.get(schema_id + 1) is None


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500, json={"error_code": 50001, "message": "storage"}),
        httpx.Response(503, text="<html>try later</html>"),
        httpx.Response(404, text="<html>no such page</html>"),
        httpx.Response(404, json={"error": "Not Found"}),
        httpx.Response(200, text="welcome"),
        httpx.Response(200, json={"hello": "you"}),
        httpx.Response(200, json=[1, 2]),
        httpx.Response(302, headers={"location": "/login"}),
    ],
    ids=lambda answer: f"{answer.status_code} {answer.text[:20]}",
)
def test_a_response_that_is_not_the_registrys_means_down_and_never_unknown(answer: httpx.Response) -> None:
    client = RegistryClient("http://registry.test", transport=httpx.MockTransport(lambda _: answer))

    with client, pytest.raises(RegistryDown):
        client.schema(1)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, "the schema registry at http://registry.test/ refuses the credentials (401, schemas/ids/1)"),
        (403, "the schema registry at http://registry.test/ does not permit this user GET schemas/ids/1 (403)"),
    ],
)
def test_refused_credentials_are_reported_as_such_and_not_as_a_registry_that_is_down(status: int, says: str) -> None:
    answer = httpx.Response(status, json={"error_code": status, "message": "no"})
    client = RegistryClient("http://me:s3cret@registry.test", transport=httpx.MockTransport(lambda _: answer))

    with client, pytest.raises(RegistryDenied) as denied:
        client.schema(1)
    assert says in str(denied.value)
    assert "CONNECTOR__REGISTRY__URL" in str(denied.value)
    assert "s3cret" not in str(denied.value)


def test_credentials_in_the_address_do_not_reach_the_message() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"].startswith("Basic ")
        raise httpx.ConnectError("refused")

    client = RegistryClient("http://me:s3cret@registry.test", transport=httpx.MockTransport(refuse))

    with client, pytest.raises(RegistryDown) as down:
        client.schema(1)
    assert "s3cret" not in str(down.value)
