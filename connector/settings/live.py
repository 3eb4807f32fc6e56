"""The settings that count without a restart: switches, guard rails and conversion of targets, and the log's level.

Pure."""

from typing import Final

from connector.settings.model import Settings, TargetSettings

CONFIGURATION: Final = "configuration"
"""The name under which the configuration file is told beside the files that it names."""

_OF_A_TARGET: Final = (
    "enabled",
    "price_sync",
    "price_step_pct",
    "price_floor",
    "price_ceiling",
    "price_limits",
    "convert",
)


def with_live(in_use: Settings, found: Settings) -> Settings:
    """Returns the settings in use, with those of ``found`` that need no restart."""
    targets = {name: _of_target(target, found.targets.get(name)) for name, target in in_use.targets.items()}
    log = in_use.log.model_copy(update={"level": found.log.level})
    return in_use.model_copy(update={"targets": targets, "guards": found.guards, "log": log})


def _of_target(in_use: TargetSettings, found: TargetSettings | None) -> TargetSettings:
    """Switches and prices belong to an account and storefront: a target that means others now waits for the restart."""
    if found is None or (found.account, found.storefront) != (in_use.account, in_use.storefront):
        return in_use
    return in_use.model_copy(update={name: getattr(found, name) for name in _OF_A_TARGET})
