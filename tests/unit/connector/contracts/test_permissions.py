"""The sets of permissions: each is minimal, and missing permissions are found."""

from connector.contracts.permissions import (
    Identity,
    Permission,
    Principal,
    Resource,
    beginning,
    commands,
    missing,
    of_controls,
    of_controls_read,
    of_create,
    of_dlq_read,
    of_dlq_redrive,
    of_dry_run,
    of_replay_plan,
    of_replay_run,
    of_replay_status,
    of_run,
)
from connector.contracts.topics import ALL_FEATURES, Feature, named

TOPICS = named("kaufland", ALL_FEATURES)
IDENTITY = Identity(group="offers", instances="connector-", transactional=True)
WHO = Principal(name="User:connector", bootstrap_servers="broker:9092")


def rows(permissions: tuple[Permission, ...]) -> dict[str, tuple[str, ...]]:
    """Returns the operations by resource name."""
    return {permission.name: permission.operations for permission in permissions}


def test_a_run_may_read_what_it_reads_and_write_what_it_writes() -> None:
    needed = rows(of_run(TOPICS, IDENTITY).permissions)

    assert needed[TOPICS.offer_changes] == ("Read", "DescribeConfigs")
    assert needed[TOPICS.offer_results] == ("Write", "DescribeConfigs")
    assert needed[TOPICS.offer_state] == ("Read", "Write", "DescribeConfigs")
    assert (needed["offers"], needed["connector-"]) == (("Read",), ("Write",))


def test_without_transactions_no_transactional_id_permission_is_needed() -> None:
    plain = Identity(group="offers", instances="connector-", transactional=False)

    permissions = of_run(TOPICS, plain).permissions

    assert all(permission.resource is not Resource.TRANSACTIONAL_ID for permission in permissions)


def test_a_dry_run_writes_nothing_of_the_live_run_and_reads_its_state() -> None:
    features = frozenset({Feature.OFFERS, Feature.RECONCILE})
    own = named("kaufland.dry-run", features, offer_changes=TOPICS.offer_changes, routing=TOPICS.routing)

    needed = rows(of_dry_run(TOPICS, own, IDENTITY).permissions)

    assert needed[TOPICS.offer_state] == ("Read",)
    assert needed[TOPICS.routing] == ("Read", "DescribeConfigs")
    assert needed[own.offer_state] == needed[own.units] == ("Write", "DescribeConfigs")
    assert needed[own.scheduler] == ("Read", "Write", "DescribeConfigs")
    assert needed[own.scheduler_state] == ("Read", "Write", "DescribeConfigs")
    assert not {TOPICS.units, TOPICS.scheduler, TOPICS.scheduler_state} & needed.keys()
    live = {topic for name, topic in vars_of(TOPICS).items() if name != "features"}
    assert all("Write" not in operations for name, operations in needed.items() if name in live)


def test_who_lists_commands_of_people_may_not_give_any() -> None:
    listing, giving = (rows(of(TOPICS, "offers").permissions) for of in (of_controls_read, of_controls))

    assert listing == {TOPICS.controls: ("Read",), "offers": ("Describe",)}
    assert giving == {TOPICS.controls: ("Read", "Write"), "offers": ("Describe",)}
    assert rows(of_run(TOPICS, IDENTITY).permissions)[TOPICS.controls] == ("Read", "DescribeConfigs")


def test_who_plans_and_watches_replays_writes_nothing_and_who_runs_them_writes_commands_alone() -> None:
    planning, watching, running = (
        rows(of(TOPICS, "offers").permissions) for of in (of_replay_plan, of_replay_status, of_replay_run)
    )

    read = dict.fromkeys((TOPICS.controls, TOPICS.offer_results), ("Read",)) | {"offers": ("Describe",)}
    assert planning == read | dict.fromkeys((TOPICS.offer_changes, TOPICS.offer_state), ("Read",))
    assert watching == read | {TOPICS.replays: ("Read",)}
    of_run_alone = {TOPICS.offer_changes: ("Read",), TOPICS.controls: ("Read", "Write")}
    assert running == watching | of_run_alone


def test_who_reads_dead_letters_writes_nothing_and_who_redrives_them_writes_to_the_inputs_alone() -> None:
    reading, redriving = (rows(of(TOPICS, "offers").permissions) for of in (of_dlq_read, of_dlq_redrive))

    letters = {TOPICS.offer_changes_dlq, TOPICS.shipments_dlq, TOPICS.scheduler_dlq}
    assert reading == dict.fromkeys(letters, ("Read",)) | {"offers": ("Describe",)}
    inputs = {TOPICS.offer_changes, TOPICS.shipments, TOPICS.scheduler}
    assert redriving == reading | dict.fromkeys(inputs, ("Write",))
    offers_only = named("kaufland")
    assert rows(of_dlq_redrive(offers_only, "offers").permissions).keys() == {
        offers_only.offer_changes,
        offers_only.offer_changes_dlq,
        "offers",
    }


def vars_of(topics: object) -> dict[str, str]:
    """Returns the topic names by dataset."""
    return {name: getattr(topics, name) for name in topics.__slots__}  # type: ignore[attr-defined]


def test_only_who_creates_topics_may_create_them() -> None:
    assert all("Create" not in operations for operations in rows(of_run(TOPICS, IDENTITY).permissions).values())
    assert set(rows(of_create(TOPICS).permissions).values()) == {("Create", "Describe")}


def test_the_common_prefix_of_instance_ids_is_an_id_without_its_number() -> None:
    assert beginning("connector-12") == "connector-"
    assert beginning("connector") == "connector"
    assert beginning("7") == "7"


def test_alike_permissions_are_one_command_and_a_prefix_is_named() -> None:
    read = [Permission(resource=Resource.TOPIC, name=name, operations=("Read",)) for name in ("a", "b")]
    prefixed = Permission(resource=Resource.TRANSACTIONAL_ID, name="i-", operations=("Write",), prefixed=True)

    assert list(commands([read[0], prefixed, read[1]], WHO)) == [
        "kafka-acls --bootstrap-server broker:9092 --add --allow-principal User:connector --operation Read "
        "--topic a --topic b",
        "kafka-acls --bootstrap-server broker:9092 --add --allow-principal User:connector --operation Write "
        "--transactional-id i- --resource-pattern-type prefixed",
    ]


def test_a_principal_with_a_blank_in_its_name_stays_one_word_for_a_shell() -> None:
    whoever = Principal(name="User:CN=connector, O=shop", bootstrap_servers="broker:9092")
    [command] = commands([Permission(resource=Resource.GROUP, name="g", operations=("Read",))], whoever)

    assert "--allow-principal 'User:CN=connector, O=shop'" in command


def test_only_operations_that_the_broker_denies_are_missing() -> None:
    needed = [
        Permission(resource=Resource.TOPIC, name=name, operations=("Read", "Write"))
        for name in ("some", "all", "silent")
    ]
    allowed = {
        (Resource.TOPIC, "some"): frozenset({"Read", "Describe"}),
        (Resource.TOPIC, "all"): frozenset({"Read", "Write"}),
        (Resource.TOPIC, "silent"): None,
    }

    assert [(row.name, row.operations) for row in missing(needed, allowed)] == [("some", ("Write",))]
