"""Runs several processes of ``connector run`` with one configuration. Edge."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from connector.settings.environment import PREFIX
from connector.settings.load import Loaded
from connector.settings.model import HealthSettings
from connector.supervisor.child_process import ChildProcess
from connector.supervisor.pages import MergedPages
from connector.supervisor.parent import Parent
from streams.errors import Stopped

_log = structlog.get_logger("connector")
_INSTANCE_ID: Final = f"{PREFIX}KAFKA__INSTANCE_ID"


def run(loaded: Loaded, *, dry_run: bool, processes: int, environ: Mapping[str, str]) -> int:
    """Returns the exit code of the command when all processes have ended. Raises Stopped."""
    instance_id = loaded.settings.kafka.instance_id
    command = [sys.executable, "-m", "connector", "run", *_configuration(loaded), *(["--dry-run"] if dry_run else [])]
    children = [
        ChildProcess(number, command, {**environ, _INSTANCE_ID: member_id(instance_id, number)})
        for number in range(1, processes + 1)
    ]
    _log.info("starts processes", processes=processes, instance_ids=f"{instance_id}-1 to {instance_id}-{processes}")
    parent = Parent(children, drain_s=loaded.settings.processing.drain_budget)
    code = parent.run(lambda members, beat: _pages(loaded.settings.health, members, beat))
    _log.info("ended", exit_code=code)
    return code


def member_id(instance_id: str, number: int) -> str:
    """Returns the instance id of one of the processes."""
    return f"{instance_id}-{number}"


def _configuration(loaded: Loaded) -> list[str]:
    return ["--config", str(loaded.file)] if loaded.file is not None else []


def _pages(health: HealthSettings, children: Sequence[ChildProcess], beat: Callable[[], float]) -> MergedPages | None:
    if not health.enabled:
        return None
    try:
        pages = MergedPages(children, beat, host=health.host, port=health.port)
    except OSError as error:
        raise Stopped(
            f"the health pages cannot listen on {health.host}:{health.port}: {error.strerror or error}. "
            "Remedy: set another [health] host or port (0: any free port), or end the process that uses it"
        ) from error
    _log.info("serves the pages of all processes", health_port=pages.port)
    return pages
