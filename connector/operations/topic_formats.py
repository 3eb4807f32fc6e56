"""The topics and permissions as files for tools that keep a cluster as code: JSON, Strimzi's resources, Terraform.

Strimzi: KafkaTopic and KafkaUser of ``kafka.strimzi.io/v1``. Terraform: its JSON syntax, with kafka_topic and kafka_acl
of the provider Mongey/kafka. Both know one set of permissions for each user, so every group of commands gets a user of
its own: that of ``run`` has the principal's name, the others the name with the command at its end.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from connector.contracts.permissions import Grant, Permission, Principal, Resource
from connector.contracts.topic_checks import wanted
from connector.contracts.topics import Topics, manifest
from connector.operations.json_output import json_text
from streams.errors import SettingsError
from streams.topics import TopicToCreate

REPLICAS: Final = 3
"""The replication factor where none is given: both tools want a number."""


class TopicFormat(StrEnum):
    """How ``connector topics`` prints."""

    TABLE = "table"
    JSON = "json"
    STRIMZI = "strimzi"
    TERRAFORM = "terraform"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPlan:
    """The topics with their sizes, and who may do what."""

    topics: Topics
    partitions: int
    replication: int | None
    grants: Sequence[Grant]
    principal: Principal

    def sized(self) -> Sequence[TopicToCreate]:
        """Returns all topics as ``topics --create`` would create them."""
        return wanted(self.topics, {}, partitions=self.partitions, replication=self.replication)

    def users(self) -> Iterator[tuple[str, Grant]]:
        """Yields the name of each user, without its type, and what it needs."""
        kind, _, name = self.principal.name.partition(":")
        if kind != "User" or not name:
            raise SettingsError(f"{self.principal.name} is not a user: give --principal User:NAME")
        for grant in self.grants:
            own = "run" in grant.commands
            yield name if own else f"{name}-{_slug(grant.commands[0])}", grant


def text_of(plan: TopicPlan, form: TopicFormat, *, cluster: str) -> str:
    """Returns the plan in a format other than the table. ``cluster`` is the name of Strimzi's Kafka resource."""
    match form:
        case TopicFormat.JSON:
            return json_text(_document(plan))
        case TopicFormat.STRIMZI:
            return "\n".join(f"---\n{_yaml(resource)}" for resource in _strimzi(plan, cluster))
        case TopicFormat.TERRAFORM:
            return json_text(_terraform(plan))
        case TopicFormat.TABLE:
            raise ValueError("the table is printed, not written")


def _document(plan: TopicPlan) -> dict[str, Any]:
    sizes = {topic.name: topic.partitions for topic in plan.sized()}
    return {
        "topics": [
            {
                "name": topic.name,
                "partitions": sizes[topic.name],
                "partitions_rule": topic.layout.value,
                "replication": plan.replication,
                "config": dict(topic.config),
                "key": topic.key,
                "access": topic.access.value,
                "for": topic.meant_for,
            }
            for topic in manifest(plan.topics)
        ],
        "permissions": [
            {
                "commands": [f"connector {command}" for command in grant.commands],
                "principal": plan.principal.name,
                "resources": [
                    {
                        "type": permission.resource.value,
                        "name": permission.name,
                        "pattern": "prefixed" if permission.prefixed else "literal",
                        "operations": list(permission.operations),
                    }
                    for permission in grant.permissions
                ],
            }
            for grant in plan.grants
        ],
    }


# ---- Strimzi --------------------------------------------------------------------------------------------------------

_STRIMZI_TYPES: Final[Mapping[Resource, str]] = {
    Resource.TOPIC: "topic",
    Resource.GROUP: "group",
    Resource.TRANSACTIONAL_ID: "transactionalId",
}


def _strimzi(plan: TopicPlan, cluster: str) -> Iterator[dict[str, Any]]:
    for topic in plan.sized():
        name = _resource_name(topic.name)
        yield _resource("KafkaTopic", name, cluster) | {
            "spec": {
                **({"topicName": topic.name} if name != topic.name else {}),
                "partitions": topic.partitions,
                "replicas": topic.replication or REPLICAS,
                "config": dict(topic.config),
            }
        }
    for user, grant in plan.users():
        name = _resource_name(user)
        commands = ", ".join(f"connector {command}" for command in grant.commands)
        yield _resource("KafkaUser", name, cluster, commands) | {
            "spec": {
                **({"userName": user} if name != user else {}),
                "authorization": {"type": "simple", "acls": [_rule(one) for one in grant.permissions]},
            }
        }


def _resource(kind: str, name: str, cluster: str, commands: str | None = None) -> dict[str, Any]:
    notes = {"annotations": {"kaufland-stream-connector/commands": commands}} if commands else {}
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": kind,
        "metadata": {"name": name, "labels": {"strimzi.io/cluster": cluster}, **notes},
    }


def _rule(permission: Permission) -> dict[str, Any]:
    return {
        "resource": {
            "type": _STRIMZI_TYPES[permission.resource],
            "name": permission.name,
            "patternType": "prefix" if permission.prefixed else "literal",
        },
        "operations": list(permission.operations),
    }


def _resource_name(name: str) -> str:
    """Returns the name if Kubernetes accepts it, else a name that it accepts and that no other name gets."""
    if re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", name):
        return name
    return f"{_slug(name)}-{sha256(name.encode()).hexdigest()[:8]}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _yaml(value: Mapping[str, Any] | Sequence[Any], indent: str = "") -> str:
    """Returns block YAML of mappings, lists, texts and whole numbers. Texts are quoted, so none is read as a number."""
    lines = []
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(inner, Mapping | list) and inner:
                lines.append(f"{indent}{_key(key)}:\n{_yaml(inner, indent + '  ')}")
            else:
                lines.append(f"{indent}{_key(key)}: {_scalar(inner)}")
    else:
        for item in value:
            if isinstance(item, Mapping) and item:
                first, _, rest = _yaml(item, indent + "  ").partition("\n")
                lines.append(f"{indent}- {first.strip()}" + (f"\n{rest}" if rest else ""))
            else:
                lines.append(f"{indent}- {_scalar(item)}")
    return "\n".join(lines)


_WORDS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""Texts that YAML reads as something else."""


def _key(key: str) -> str:
    is_plain = re.fullmatch(r"[A-Za-z][\w./-]*", key, flags=re.ASCII) and key.lower() not in _WORDS
    return key if is_plain else _scalar(key)


def _scalar(value: object) -> str:
    """Returns JSON in ASCII. YAML knows JSON's escapes, but not the pairs in which it writes rare characters."""
    plain = json.dumps(value, ensure_ascii=False)
    return re.sub(r"[^ -~]", lambda found: f"\\U{ord(found[0]):08x}", plain)


# ---- Terraform ------------------------------------------------------------------------------------------------------

_TERRAFORM_TYPES: Final[Mapping[Resource, str]] = {
    Resource.TOPIC: "Topic",
    Resource.GROUP: "Group",
    Resource.TRANSACTIONAL_ID: "TransactionalID",
}


def _terraform(plan: TopicPlan) -> dict[str, Any]:
    topics = {
        _label(topic.name): {
            "name": topic.name,
            "partitions": topic.partitions,
            "replication_factor": topic.replication or REPLICAS,
            "config": dict(topic.config),
            "lifecycle": {"prevent_destroy": True},
        }
        for topic in plan.sized()
    }
    rules = {
        _label(user, permission.resource.value, permission.name, operation): {
            "resource_name": _literal(permission.name),
            "resource_type": _TERRAFORM_TYPES[permission.resource],
            "resource_pattern_type_filter": "Prefixed" if permission.prefixed else "Literal",
            "acl_principal": _literal(f"User:{user}"),
            "acl_host": "*",
            "acl_operation": operation,
            "acl_permission_type": "Allow",
        }
        for user, grant in plan.users()
        for permission in grant.permissions
        for operation in permission.operations
    }
    return {
        "terraform": {"required_providers": {"kafka": {"source": "Mongey/kafka"}}},
        "resource": {"kafka_topic": topics, "kafka_acl": rules},
    }


def _label(*parts: str) -> str:
    """Returns a name for a Terraform resource. Kafka refuses two topics of which only ``.`` and ``_`` differ."""
    whole = "--".join(parts)
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", whole)
    apart = f"--{sha256(whole.encode()).hexdigest()[:8]}" if re.search(r"[^A-Za-z0-9._-]", whole) else ""
    return f"{'' if plain[:1].isalpha() else '_'}{plain}{apart}"


def _literal(text: str) -> str:
    """Returns the text as Terraform must read it: it would evaluate ``${...}`` and ``%{...}``."""
    return text.replace("${", "$${").replace("%{", "%%{")
