"""Runs the steps of a Dockerfile in a directory, as far as that is possible without a container engine.

Known: ARG, ENV, WORKDIR, COPY (with the ignore file, and from other stages), RUN, LABEL. A stage begins empty, not with
its base image, and ``/`` is a directory of its own: an absolute path in a step is one below it. RUN steps that change
the base image itself, such as ``useradd``, are left out.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

_OF_THE_SYSTEM: Final = ("useradd",)
_OURS: Final = re.compile(r"(?<![\w.])/(opt|build)\b")
"""The absolute paths of RUN steps that are the image's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction, with its continued lines joined."""

    name: str
    text: str


@dataclass(slots=True, kw_only=True)
class BuildStage:
    """What a stage has become: its files below ``root``, and what its other instructions set."""

    root: Path
    workdir: str = "/"
    arguments: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)  # USER, ENTRYPOINT, CMD ...

    def path(self, absolute: str) -> Path:
        return self.root / absolute.removeprefix("/")

    def files(self) -> set[str]:
        """Returns the absolute paths of all files."""
        return {f"/{path.relative_to(self.root)}" for path in self.root.rglob("*") if path.is_file()}


def instructions(dockerfile: Path) -> Iterator[Instruction]:
    lines = [line for line in dockerfile.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, text = line.strip().partition(" ")
            yield Instruction(name=name, text=text.strip())


def build_stages(
    context: Path, folder: Path, arguments: Mapping[str, str], environment: Mapping[str, str]
) -> dict[str, BuildStage]:
    """Returns all stages by name. ``environment`` is that of RUN steps, and wins over the file's own; an empty value
    removes a variable.
    """
    stages: dict[str, BuildStage] = {}
    defaults: dict[str, str] = {}
    stage: BuildStage | None = None
    for step in instructions(context / "Dockerfile"):
        if step.name == "FROM":
            base, _, name = step.text.split()
            stage = _begun(stages.get(base), folder / name)
            stages[name] = stage
        elif stage is None:
            name, _, value = step.text.partition("=")
            defaults[name] = value
        elif step.name == "ARG":
            name, _, value = step.text.partition("=")
            stage.arguments[name] = arguments.get(name, value.strip('"') or defaults.get(name, ""))
        else:
            _carry_out(step, stage, stages, context, environment)
    return stages


def _begun(base: BuildStage | None, root: Path) -> BuildStage:
    root.mkdir(parents=True)
    if base is None:
        return BuildStage(root=root)
    shutil.copytree(base.root, root, symlinks=True, dirs_exist_ok=True)
    carried = (dict(part) for part in (base.environment, base.labels, base.settings))
    own_environment, labels, settings = carried
    return BuildStage(root=root, environment=own_environment, labels=labels, settings=settings)


def _carry_out(
    step: Instruction,
    stage: BuildStage,
    stages: Mapping[str, BuildStage],
    context: Path,
    environment: Mapping[str, str],
) -> None:
    match step.name:
        case "ENV":
            stage.environment |= _assignments(step.text, stage)
        case "LABEL":
            stage.labels |= _assignments(step.text, stage)
        case "WORKDIR":
            stage.workdir = step.text
            stage.path(step.text).mkdir(parents=True, exist_ok=True)
        case "COPY":
            _copy(shlex.split(step.text), stage, stages, context)
        case "RUN":
            if not step.text.startswith(_OF_THE_SYSTEM):
                _run(step.text, stage, environment)
        case _:
            stage.settings[step.name] = step.text


def _assignments(text: str, stage: BuildStage) -> dict[str, str]:
    known = {**stage.environment, **stage.arguments}
    pairs = (word.partition("=")[::2] for word in shlex.split(text))
    return {name: re.sub(r"\$\{?(\w+)\}?", lambda seen: known.get(seen[1], ""), value) for name, value in pairs}


def _copy(words: list[str], stage: BuildStage, stages: Mapping[str, BuildStage], context: Path) -> None:
    *sources, target = words
    of_stage = sources.pop(0).removeprefix("--from=") if sources[0].startswith("--from=") else None
    into = target if target.startswith("/") else f"{stage.workdir}/{target}"
    for source in sources:
        found = stages[of_stage].path(source) if of_stage is not None else context / source
        if of_stage is None and not _is_sent(source, context):
            raise FileNotFoundError(f"{source} is not in the build context: .dockerignore leaves it out")
        to = stage.path(into)
        if found.is_dir():
            shutil.copytree(found, to, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
            continue
        to = to / found.name if into.endswith(("/", "/.")) else to
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(found, to)


def _is_sent(source: str, context: Path) -> bool:
    """Whether the ignore file, which excludes everything first, includes a path."""
    first, *rest = (context / ".dockerignore").read_text("utf-8").split()
    included = [line.removeprefix("!") for line in rest if line.startswith("!")]
    return first == "*" and any(source == line or fnmatch(source, f"{line}/*") for line in included)


def _run(command: str, stage: BuildStage, environment: Mapping[str, str]) -> None:
    there = _OURS.sub(lambda seen: f"{stage.root}/{seen[1]}", command)
    everything = {**os.environ, **stage.environment, **stage.arguments, **environment}
    done = subprocess.run(
        ["/bin/sh", "-ec", there],
        cwd=stage.path(stage.workdir),
        env={name: value for name, value in everything.items() if value},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def exec_form(text: str) -> list[str]:
    """Parses the JSON form of ENTRYPOINT and CMD."""
    parsed: list[str] = json.loads(text)
    return parsed
