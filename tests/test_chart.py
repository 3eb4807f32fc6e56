"""The Helm chart and the plain manifests made of it, as far as they can be tested without helm.

``make chart`` lints the chart, renders the configurations in ``deploy/chart/ci/``, and compares ``deploy/manifests/``
with what the chart renders. Here: the values meet their schema, which explains each of them; the manifests agree with
the values, the image, the health pages and the settings; and their configuration is accepted by the connector.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from connector import configuration
from connector.contracts.topics import manifest
from connector.kaufland.reference import load_reference
from connector.settings import convert
from connector.settings.load import Loaded, load
from connector.settings.model import HealthSettings, ProcessingSettings
from tests.harness.pages import block
from tests.test_alerts import LABELS, metrics_in
from tests.test_dependencies import PROJECT
from tests.test_readme import unknown

ROOT = Path(__file__).parent.parent
CHART = ROOT / "deploy" / "chart"
MANIFESTS = ROOT / "deploy" / "manifests"
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text("utf-8"))
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
CONFIGURATIONS = sorted((CHART / "ci").glob("*-values.yaml"))
DIALECT = "https://json-schema.org/draft/2020-12/schema"
MARGIN_S = 15
"""Beyond the drain: commit, leave the group, end."""


def manifests(name: str) -> dict[str, dict[str, Any]]:
    """Returns the resources of a file by kind; each kind is there once, except jobs."""
    found = [one for one in yaml.safe_load_all((MANIFESTS / name).read_text("utf-8")) if one]
    return {one["kind"] if one["kind"] != "Job" else one["metadata"]["name"]: one for one in found}


PLAIN = manifests("connector.yaml")
POD: dict[str, Any] = PLAIN["StatefulSet"]["spec"]["template"]["spec"]
CONTAINER: dict[str, Any] = POD["containers"][0]


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values as helm lays one file over another: tables are merged, anything else is replaced."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return result


def environment(container: Mapping[str, Any], pod: str) -> dict[str, str]:
    """Returns a container's environment in a pod of this name."""
    return {one["name"]: str(one.get("value", pod)).replace("$(POD_NAME)", pod) for one in container["env"]}


def accepted(config: str, environ: Mapping[str, str], folder: Path) -> Loaded:
    """Loads a configuration as ``connector run`` does, with secrets that are mounted in this folder."""
    mounts = folder / "secrets"
    for name, key in (("client_key", "k" * 32), ("secret_key", "s" * 64)):
        (mounts / "kaufland").mkdir(parents=True, exist_ok=True)
        (mounts / "kaufland" / name).write_text(key)
    file = folder / "connector.toml"
    file.write_text(config.replace("/run/secrets/", f"{mounts}/"))
    ours = {name: value for name, value in environ.items() if name.startswith("CONNECTOR__")}
    return load(file, ours, datetime.now(UTC), lambda over: configuration.marketplace_facts(load_reference(over)))


# ---- values ---------------------------------------------------------------------------------------------------------


def test_the_schema_is_valid_and_the_values_meet_it() -> None:
    assert SCHEMA["$schema"] == DIALECT
    jsonschema_rs.meta.validate(SCHEMA)
    jsonschema_rs.validate(SCHEMA, VALUES)


@pytest.mark.parametrize("file", [pytest.param(file, id=file.stem) for file in CONFIGURATIONS])
def test_every_configuration_that_is_rendered_meets_the_schema(file: Path) -> None:
    jsonschema_rs.validate(SCHEMA, merged(VALUES, yaml.safe_load(file.read_text("utf-8"))))


def test_six_configurations_are_rendered() -> None:
    assert len(CONFIGURATIONS) == 6


def test_the_canary_writes_to_its_own_target_alone_and_shares_only_the_input_with_the_others(tmp_path: Path) -> None:
    values = yaml.safe_load((CHART / "ci" / "canary-values.yaml").read_text("utf-8"))
    both = [
        accepted(config, {"CONNECTOR__KAFKA__INSTANCE_ID": "c-0"}, tmp_path).settings
        for config in (values["config"], VALUES["config"])
    ]
    canary, main = both
    own, others = ({topic.name for topic in manifest(convert.topics(one))} for one in both)

    assert values == yaml.safe_load(block("docs/operations.md", "yaml", "kaufland-canary").body)
    assert [name for name, target in canary.targets.items() if target.enabled] == ["shop-at"]
    assert own & others == {"kaufland.offer-changes.v1"}
    assert canary.kafka.group != main.kafka.group
    assert sum(one.accounts["main"].requests_per_second for one in both) <= configuration.API_CALLS_PER_SECOND
    assert not any(part.enabled for part in (canary.shipments, canary.orders, canary.reconcile))


@pytest.mark.parametrize(
    "wrong",
    [
        {"replica": 2},
        {"terminationGracePeriodSeconds": 10},
        {"image": {"digest": "latest"}},
        {"secrets": [{"mountPath": "/run/secrets/kaufland"}]},
        {"secrets": [{"mountPath": "/run/x", "secretName": "a", "secretProviderClass": "b"}]},
        {"jobs": {"topics": {"partitions": 0}}},
        {"files": {"connector.toml": ""}},
    ],
)
def test_a_wrong_value_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(SCHEMA, merged(VALUES, wrong))


def described(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for name, value in schema.get("properties", {}).items():
        yield f"{path}{name}", value.get("description", "")
        yield from described(value, f"{path}{name}.")


def test_the_schema_explains_every_value_and_knows_each_of_them() -> None:
    explained = dict(described(SCHEMA))

    assert [name for name, text in explained.items() if len(text) < 15] == []
    assert {name for name in explained if "." not in name} == {*VALUES, "global"}


def test_every_value_that_a_template_uses_exists() -> None:
    known = {name for name, _ in described(SCHEMA)}
    used = {
        name
        for template in (CHART / "templates").iterdir()
        for name in re.findall(r"\.Values\.([\w.]+)", template.read_text("utf-8"))
    }

    assert used - known == set()
    assert {name for name in known if "." not in name} - {name.partition(".")[0] for name in used} == {"global"}


def test_files_of_the_values_are_found_beside_the_configuration_that_names_them(tmp_path: Path) -> None:
    values = yaml.safe_load((CHART / "ci" / "jobs-values.yaml").read_text("utf-8"))
    for name, content in values["files"].items():
        (tmp_path / name).write_text(content)

    found = accepted(values["config"], environment(CONTAINER, "connector-0"), tmp_path).settings

    named = {found.mappings.overrides_file, found.targets["shop-de"].allow_eans_file}
    assert named == {tmp_path / name for name in values["files"]}


# ---- the plain manifests --------------------------------------------------------------------------------------------


def test_the_configuration_is_accepted_with_the_environment_of_the_pod(tmp_path: Path) -> None:
    config = PLAIN["ConfigMap"]["data"]["connector.toml"]
    found = accepted(config, environment(CONTAINER, "connector-1"), tmp_path)

    assert found.settings.kafka.instance_id == "connector-1"
    assert found.settings.health.host == "0.0.0.0"
    assert found.ignored == ()
    assert config.splitlines() == VALUES["config"].splitlines()


def test_secrets_are_mounted_where_the_configuration_names_them() -> None:
    mounts = {mount["mountPath"]: mount for mount in CONTAINER["volumeMounts"]}
    named = re.findall(r'^\w+_file = "(.*)/[^/]+"$', PLAIN["ConfigMap"]["data"]["connector.toml"], flags=re.MULTILINE)
    environ = environment(CONTAINER, "connector-0")

    assert named
    assert set(named) <= set(mounts)
    assert Path(environ["CONNECTOR_CONFIG"]).parent.as_posix() in mounts
    assert all(mount.get("readOnly") for path, mount in mounts.items() if path != "/tmp")
    assert {mount["name"] for mount in mounts.values()} == {volume["name"] for volume in POD["volumes"]}


def test_probes_ask_the_health_pages_at_the_port_of_the_settings() -> None:
    default = HealthSettings.model_fields["port"].default
    [port] = CONTAINER["ports"]
    pages = {name: CONTAINER[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}

    assert port == {"name": "health", "containerPort": default}
    assert {name: page["path"] for name, page in pages.items()} == {
        "startupProbe": "/livez",
        "livenessProbe": "/livez",
        "readinessProbe": "/readyz",
    }
    assert {page["port"] for page in pages.values()} == {"health"}
    assert environment(CONTAINER, "")["CONNECTOR__HEALTH__PORT"] == str(default)
    assert f"EXPOSE {default}" in (ROOT / "Dockerfile").read_text("utf-8")


def test_a_pod_has_time_to_drain() -> None:
    drain_s = ProcessingSettings.model_fields["drain_budget"].default

    assert POD["terminationGracePeriodSeconds"] >= drain_s + MARGIN_S
    assert SCHEMA["properties"]["terminationGracePeriodSeconds"]["minimum"] >= drain_s + MARGIN_S


def test_pods_start_together_and_are_found_before_they_are_ready() -> None:
    spec = PLAIN["StatefulSet"]["spec"]

    assert spec["podManagementPolicy"] == "Parallel"
    assert PLAIN["Service"]["spec"]["publishNotReadyAddresses"] is True
    assert PLAIN["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1
    for selector in (
        spec["selector"]["matchLabels"],
        PLAIN["Service"]["spec"]["selector"],
        PLAIN["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= spec["template"]["metadata"]["labels"].items()


def test_pods_have_no_privileges() -> None:
    [user] = re.findall(r"^USER (\d+)$", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)

    assert POD["securityContext"]["runAsUser"] == int(user)
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["automountServiceAccountToken"] is False
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "cpu" not in CONTAINER["resources"]["limits"], "a throttled process loses its lease"


def test_manifests_are_those_of_the_present_values() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    annotations = PLAIN["StatefulSet"]["spec"]["template"]["metadata"]["annotations"]

    assert chart["appVersion"] == PROJECT["version"]
    assert CONTAINER["image"] == f"{VALUES['image']['repository']}:{chart['appVersion']}"
    assert CONTAINER["resources"] == VALUES["resources"]
    assert PLAIN["StatefulSet"]["spec"]["replicas"] == VALUES["replicas"]
    assert annotations["checksum/config"] == sha256(VALUES["config"].encode()).hexdigest()


def test_every_command_of_a_container_exists() -> None:
    jobs = manifests("jobs.yaml")
    pods = [POD, *(job["spec"]["template"]["spec"] for job in jobs.values() if job["kind"] == "Job")]
    commands = [
        f"connector {' '.join(container['args'])}"
        for pod in pods
        for container in [*pod["containers"], *pod.get("initContainers", ())]
    ]

    assert len(commands) == 3
    assert [problem for command in commands if (problem := unknown(command))] == []
    assert not any(value for job in VALUES["jobs"].values() for name, value in job.items() if name == "enabled")


def test_the_configuration_of_the_jobs_is_accepted(tmp_path: Path) -> None:
    jobs = manifests("jobs.yaml")

    for job in (one for one in jobs.values() if one["kind"] == "Job"):
        [container] = job["spec"]["template"]["spec"]["containers"]
        accepted(jobs["ConfigMap"]["data"]["connector.toml"], environment(container, ""), tmp_path)
        assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"


def test_prometheus_gets_the_rules_and_the_port() -> None:
    monitoring = manifests("monitoring.yaml")
    rules = (ROOT / "deploy" / "prometheus" / "rules.yaml").read_text("utf-8")

    assert (CHART / "rules.yaml").read_text("utf-8") == rules, "run: make manifests"
    assert monitoring["PrometheusRule"]["spec"] == yaml.safe_load(rules)
    [endpoint] = monitoring["ServiceMonitor"]["spec"]["endpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("health", "/metrics")
    assert endpoint["port"] in [port["name"] for port in PLAIN["Service"]["spec"]["ports"]]
    labels = PLAIN["Service"]["metadata"]["labels"]
    assert monitoring["ServiceMonitor"]["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_the_autoscaling_example_scales_the_stateful_set_by_metrics_that_exist() -> None:
    example = yaml.safe_load(block("docs/operations.md", "yaml", "ScaledObject").body)["spec"]
    [trigger] = example["triggers"]
    used = metrics_in(trigger["metadata"]["query"])

    assert example["scaleTargetRef"] == {"kind": "StatefulSet", "name": PLAIN["StatefulSet"]["metadata"]["name"]}
    assert used
    assert used <= LABELS.keys()
