"""A cluster of Kubernetes for a test: does what ``kubectl`` and ``helm`` do with the manifests, with local processes.

A pod is a folder for its mounts, and a container a process with the container's arguments and environment. Paths of
mounts and names of hosts are replaced, as mounts and DNS do. Where helm is not there, the plain manifests are installed
with the configuration of the values; ``make chart`` compares both.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from devstack.processes import ModuleProcess, own_environment

ROOT: Final = Path(__file__).parents[2]
MANIFESTS: Final = ROOT / "deploy" / "manifests"
_HOOK: Final = "helm.sh/hook"
KUBERNETES: Final = "1.30.0"  # a cluster tells helm its version


@dataclass(kw_only=True)
class LocalCluster:
    """``folder``: the operator's working directory, and below it the pods. ``hosts``: addresses by the name that the
    configuration has. ``environment``: of every container, in place of what the test has not, such as a marketplace."""

    folder: Path
    hosts: Mapping[str, str]
    environment: Mapping[str, str]
    processes: dict[str, ModuleProcess] = field(default_factory=dict)
    completed: list[str] = field(default_factory=list)
    _resources: dict[tuple[str, str], Any] = field(default_factory=dict)

    def run(self, command: str) -> str:
        """Runs one command of ``kubectl`` or ``helm``, as the documentation has it, and returns its output."""
        said, _, stdin = command.partition(" < ")
        match shlex.split(said):
            case ["kubectl", "create", "secret", "generic", name, *files]:
                named = [Path(file.removeprefix("--from-file=")) for file in files]
                self._resources["Secret", name] = {file.name: (self.folder / file).read_text() for file in named}
            case ["helm", "upgrade", "--install", release, chart, "--values", values]:
                self._install(release, ROOT / chart, self.folder / values)
            case ["kubectl", "rollout", "status", "statefulset", name]:
                pods = [pod for pod in self.processes if pod.rpartition("-")[0] == name]
                assert self._resources["StatefulSet", name]["spec"]["replicas"] == len(pods)
            case ["kubectl", "apply", "-f", file]:
                self.apply(yaml.safe_load_all((ROOT / file).read_text("utf-8")))
            case ["kubectl", "wait", "--for=condition=complete", _, "jobs", "--all"]:
                assert {name for kind, name in self._resources if kind == "Job"} == set(self.completed)
            case ["kubectl", "exec", *words]:
                at = words.index("--")
                return self._exec(words[at - 1], words[at + 1 :], stdin)
            case _:
                raise NotImplementedError(command)
        return ""

    def end(self) -> None:
        for process in self.processes.values():
            process.end()

    # ---- resources --------------------------------------------------------------------------------------------------

    def _install(self, release: str, chart: Path, values: Path) -> None:
        """Installs a chart: first its hooks, by weight, then the rest."""
        found = [one for one in self._rendered(release, chart, values) if one]
        hooks = [one for one in found if _HOOK in one["metadata"].get("annotations", {})]
        hooks.sort(key=lambda one: int(one["metadata"]["annotations"][f"{_HOOK}-weight"]))
        self.apply(hooks)
        self.apply(one for one in found if one not in hooks)

    def _rendered(self, release: str, chart: Path, values: Path) -> list[Any]:
        if shutil.which("helm") is not None:
            command = ["helm", "template", "--kube-version", KUBERNETES, "--values", str(values), release, str(chart)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            return list(yaml.safe_load_all(done.stdout))
        given = yaml.safe_load(values.read_text("utf-8"))
        topics = given["jobs"]["topics"]
        files = (MANIFESTS / "jobs.yaml", MANIFESTS / "connector.yaml")
        texts = [
            file.read_text("utf-8").replace("name: kaufland-stream-connector", f"name: {release}") for file in files
        ]
        found = [one for text in texts for one in yaml.safe_load_all(text)]
        for one in found:
            if one is not None and one["kind"] == "ConfigMap":
                one["data"]["connector.toml"] = given["config"]
            elif one is not None and one["kind"] == "Job" and one["metadata"]["name"].endswith("-topics"):
                [container] = one["spec"]["template"]["spec"]["containers"]
                sizes = ["--partitions", str(topics["partitions"]), "--replication", str(topics["replication"])]
                container["args"] = ["topics", "--create", *sizes]
            elif one is not None and one["kind"] == "StatefulSet":
                one["spec"]["replicas"] = given.get("replicas", one["spec"]["replicas"])
        return found

    def apply(self, resources: Any) -> None:
        """Takes resources over in their order: a job runs to its end, the processes of a stateful set are started."""
        for one in resources:
            if not one:
                continue
            name = one["metadata"]["name"]
            self._resources[one["kind"], name] = one
            if one["kind"] == "Job":
                self._run_job(name, one["spec"]["template"]["spec"])
            elif one["kind"] == "StatefulSet":
                for number in range(one["spec"]["replicas"]):
                    self._start(f"{name}-{number}", one["spec"]["template"]["spec"])

    # ---- pods -------------------------------------------------------------------------------------------------------

    def _run_job(self, name: str, pod: Mapping[str, Any]) -> None:
        [container] = pod["containers"]
        self._mount(name, pod)
        self._call(name, container, [sys.executable, "-m", "connector", *container["args"]])
        self.completed.append(name)

    def _start(self, name: str, pod: Mapping[str, Any]) -> None:
        [container] = pod["containers"]
        self._mount(name, pod)
        log = self.folder / f"{name}.log"
        environ = self._environment(name, container)
        self.processes[name] = ModuleProcess(name, ["connector", *container["args"]], log, environ)

    def _exec(self, pod: str, command: Sequence[str], stdin: str) -> str:
        stateful_set = self._resources["StatefulSet", pod.rpartition("-")[0]]
        [container] = stateful_set["spec"]["template"]["spec"]["containers"]
        program, *arguments = command
        start = {"connector": [sys.executable, "-m", "connector"], "python": [sys.executable]}[program]
        text = (self.folder / stdin).read_text("utf-8") if stdin else ""
        return self._call(pod, container, [*start, *arguments], text)

    def _call(self, pod: str, container: Mapping[str, Any], command: Sequence[str], stdin: str = "") -> str:
        environ = {**own_environment(os.environ), **self._environment(pod, container)}
        done = subprocess.run(
            command, input=stdin, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"{' '.join(command)} in {pod}: {done.stdout}{done.stderr}"
        return done.stdout

    def _environment(self, pod: str, container: Mapping[str, Any]) -> dict[str, str]:
        given = {one["name"]: str(one.get("value", pod)).replace("$(POD_NAME)", pod) for one in container["env"]}
        here = {name: self._here(pod, value, container) for name, value in given.items()}
        return {**here, "HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent/cache", **self.environment}

    def _mount(self, pod: str, spec: Mapping[str, Any]) -> None:
        [container] = spec["containers"]
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        for mount in container["volumeMounts"]:
            place = self._place(pod, mount["mountPath"])
            place.mkdir(parents=True)
            for file, text in self._contents(volumes[mount["name"]]):
                (place / file).write_text(self._here(pod, text, container))

    def _contents(self, volume: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        if "configMap" in volume:
            yield from self._resources["ConfigMap", volume["configMap"]["name"]]["data"].items()
        elif "secret" in volume:
            yield from self._resources["Secret", volume["secret"]["secretName"]].items()
        else:
            assert "emptyDir" in volume

    def _here(self, pod: str, text: str, container: Mapping[str, Any]) -> str:
        """Returns a text with the places of its mounts and the addresses of its hosts on this machine."""
        mounts = "|".join(re.escape(mount["mountPath"]) for mount in container["volumeMounts"])
        text = re.sub(f"(?:{mounts})(?=/)", lambda found: str(self._place(pod, found[0])), text)
        for name, address in self.hosts.items():
            text = text.replace(name, address)
        return text

    def _place(self, pod: str, mount: str) -> Path:
        return self.folder / "pods" / pod / mount.lstrip("/")
