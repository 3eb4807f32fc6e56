"""``connector topics --format``: each format has the shape that its tool publishes, and says what the table says."""

import json
from dataclasses import replace
from typing import Any

import jsonschema_rs
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.contracts.permissions import Grant, Identity, Permission, Principal, Resource, of_create, of_run
from connector.contracts.topics import ALL_FEATURES, manifest, named
from connector.operations.topic_formats import TopicFormat, TopicPlan, _yaml, text_of
from streams.errors import SettingsError
from tests.harness.effort import examples

TOPICS = named("kaufland", ALL_FEATURES)
PLAN = TopicPlan(
    topics=TOPICS,
    partitions=12,
    replication=None,
    grants=[of_run(TOPICS, Identity(group="g", instances="c-", transactional=True)), of_create(TOPICS)],
    principal=Principal(name="User:connector", bootstrap_servers="broker:9092"),
)
KUBERNETES_NAME = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"
METADATA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": KUBERNETES_NAME, "maxLength": 253},
        "labels": {"type": "object", "required": ["strimzi.io/cluster"]},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "required": ["name", "labels"],
    "additionalProperties": False,
}
OPERATIONS = [
    "Read", "Write", "Create", "Delete", "Alter", "Describe", "ClusterAction", "AlterConfigs", "DescribeConfigs",
    "IdempotentWrite", "All",
]  # fmt: skip
KAFKA_TOPIC = {
    "properties": {
        "apiVersion": {"const": "kafka.strimzi.io/v1"},
        "kind": {"const": "KafkaTopic"},
        "metadata": METADATA,
        "spec": {
            "properties": {
                "topicName": {"type": "string"},
                "partitions": {"type": "integer", "minimum": 1},
                "replicas": {"type": "integer", "minimum": 1, "maximum": 32767},
                "config": {"type": "object", "additionalProperties": {"type": "string"}},
            },
            "required": ["partitions", "replicas", "config"],
            "additionalProperties": False,
        },
    },
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
}
KAFKA_USER = {
    "properties": {
        "apiVersion": {"const": "kafka.strimzi.io/v1"},
        "kind": {"const": "KafkaUser"},
        "metadata": METADATA,
        "spec": {
            "properties": {
                "userName": {"type": "string"},
                "authorization": {
                    "properties": {
                        "type": {"enum": ["simple"]},
                        "acls": {
                            "type": "array",
                            "items": {
                                "properties": {
                                    "resource": {
                                        "properties": {
                                            "name": {"type": "string"},
                                            "patternType": {"enum": ["literal", "prefix"]},
                                            "type": {"enum": ["topic", "group", "cluster", "transactionalId"]},
                                        },
                                        "required": ["type"],
                                        "additionalProperties": False,
                                    },
                                    "operations": {"type": "array", "items": {"enum": OPERATIONS}},
                                },
                                "required": ["resource", "operations"],
                                "additionalProperties": False,
                            },
                        },
                    },
                    "required": ["acls", "type"],
                    "additionalProperties": False,
                },
            },
            "required": ["authorization"],
            "additionalProperties": False,
        },
    },
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
}
"""The fields that we use of the custom resource definitions that Strimzi publishes, version v1; others are errors."""
KAFKA_ACL = {
    "properties": {
        "resource_name": {"type": "string"},
        "resource_type": {"enum": ["Topic", "Group", "Cluster", "TransactionalID"]},
        "resource_pattern_type_filter": {"enum": ["Literal", "Prefixed"]},
        "acl_principal": {"type": "string", "pattern": "^User:"},
        "acl_host": {"type": "string"},
        "acl_operation": {"enum": OPERATIONS},
        "acl_permission_type": {"enum": ["Allow", "Deny"]},
    },
    "required": [
        "resource_name", "resource_type", "acl_principal", "acl_host", "acl_operation", "acl_permission_type",
    ],
    "additionalProperties": False,
}  # fmt: skip
"""The arguments of the provider's resource kafka_acl."""


def strimzi(plan: TopicPlan = PLAN) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text_of(plan, TopicFormat.STRIMZI, cluster="events")))


def terraform(plan: TopicPlan = PLAN) -> dict[str, Any]:
    resources: dict[str, Any] = json.loads(text_of(plan, TopicFormat.TERRAFORM, cluster=""))["resource"]
    return resources


def test_strimzi_accepts_every_resource() -> None:
    resources = strimzi()
    schemas = {"KafkaTopic": KAFKA_TOPIC, "KafkaUser": KAFKA_USER}

    assert {resource["kind"] for resource in resources} == set(schemas)
    for resource in resources:
        jsonschema_rs.validate(schemas[resource["kind"]], resource)
        assert resource["metadata"]["labels"] == {"strimzi.io/cluster": "events"}
    names = [(resource["kind"], resource["metadata"]["name"]) for resource in resources]
    assert len(set(names)) == len(names)


def test_strimzi_gets_the_topics_of_the_manifest() -> None:
    topics = {one["metadata"]["name"]: one["spec"] for one in strimzi() if one["kind"] == "KafkaTopic"}

    assert {name: spec["config"] for name, spec in topics.items()} == {
        topic.name: dict(topic.config) for topic in manifest(TOPICS)
    }
    assert topics["kaufland.offer-state.v1"]["partitions"] == 12
    assert topics["kaufland.scheduler.v1"]["partitions"] == 1
    assert topics["kaufland.offer-state.v1"]["replicas"] == 3


def test_each_group_of_commands_is_a_user_of_its_own_with_its_permissions() -> None:
    users = {
        one["metadata"]["name"]: one["spec"]["authorization"]["acls"] for one in strimzi() if "User" in one["kind"]
    }

    assert list(users) == ["connector", "connector-topics-create"]
    rule = {
        "resource": {"type": "transactionalId", "name": "c-", "patternType": "prefix"},
        "operations": ["Write"],
    }
    assert rule in users["connector"]
    assert len(users["connector"]) == len(PLAN.grants[0].permissions)


def test_a_name_that_kubernetes_refuses_is_given_beside_one_that_it_accepts() -> None:
    plan = replace(
        PLAN,
        topics=named("Shop_1"),
        principal=Principal(name="User:Big Shop", bootstrap_servers="broker:9092"),
    )
    resources = strimzi(plan)

    for resource in resources:
        jsonschema_rs.validate(METADATA, resource["metadata"])
    assert resources[0]["spec"]["topicName"] == "Shop_1.offer-changes.v1"
    assert "Big Shop" in [one["spec"].get("userName") for one in resources]


def test_terraform_gets_every_topic_and_a_rule_for_each_operation() -> None:
    resources = terraform()

    assert {topic["name"]: topic["partitions"] for topic in resources["kafka_topic"].values()} == {
        topic.name: topic.partitions for topic in PLAN.sized()
    }
    for topic in resources["kafka_topic"].values():
        assert set(topic) == {"name", "partitions", "replication_factor", "config", "lifecycle"}
        assert all(isinstance(value, str) for value in topic["config"].values())
    rules = resources["kafka_acl"]
    operations = sum(len(one.operations) for grant in PLAN.grants for one in grant.permissions)
    assert len(rules) == operations
    for rule in rules.values():
        jsonschema_rs.validate(KAFKA_ACL, rule)
    assert [rule["resource_type"] for rule in rules.values()].count("TransactionalID") == 1


def test_terraform_evaluates_nothing_in_a_name() -> None:
    odd = Grant(
        commands=("run",),
        permissions=(Permission(resource=Resource.GROUP, name="${file(1)}", operations=("Read",)),),
    )

    [rule] = terraform(replace(PLAN, grants=[odd]))["kafka_acl"].values()

    assert rule["resource_name"] == "$${file(1)}"


def test_json_has_what_the_table_has() -> None:
    document = json.loads(text_of(replace(PLAN, replication=2), TopicFormat.JSON, cluster=""))

    assert [topic["name"] for topic in document["topics"]] == [topic.name for topic in manifest(TOPICS)]
    assert {topic["replication"] for topic in document["topics"]} == {2}
    assert document["permissions"][1]["commands"] == ["connector topics --create"]
    assert document["permissions"][0]["resources"][-1] == {
        "type": "transactional-id",
        "name": "c-",
        "pattern": "prefixed",
        "operations": ["Write"],
    }


def test_a_principal_that_is_no_user_is_refused() -> None:
    plan = replace(PLAN, principal=Principal(name="Group:shop", bootstrap_servers="broker:9092"))

    with pytest.raises(SettingsError, match="--principal User:NAME"):
        text_of(plan, TopicFormat.STRIMZI, cluster="events")


TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
RULES = st.lists(st.dictionaries(TEXTS, TEXTS | st.integers() | st.lists(TEXTS, max_size=2), max_size=2), max_size=2)


@settings(max_examples=examples(50), deadline=None)
@given(tree=st.dictionaries(TEXTS, TEXTS | st.integers() | RULES | st.dictionaries(TEXTS, TEXTS), min_size=1))
def test_yaml_is_read_as_it_was_written(tree: dict[str, Any]) -> None:
    assert yaml.safe_load(_yaml(tree)) == tree
