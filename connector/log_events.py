"""All log lines of the connector itself, beside those of the runtime (``streams.telemetry.EVENTS``). Pure.

A line's ``event`` is a sentence, which may be improved; its ``event_id`` stays, so rules on logs compare that. Lines of
libraries have the id ``library``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

LIBRARY: Final = "library"
WAITING: Final = "waiting for "
"""How the text of ``waits`` begins; the rest says for what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnEvent:
    """One kind of line."""

    id: str
    text: str
    fields: tuple[str, ...]


def _event(id_: str, text: str, *fields: str) -> OwnEvent:
    return OwnEvent(id=id_, text=text, fields=fields)


ABOUT: Final = (
    "version",
    "group",
    "instance_id",
    "config_digest",
    "guarantee",
    "dry_run",
    "parts",
    "writes",
)
"""What the first lines of a run say of the process."""
_COLD: Final = (
    "account",
    "storefront",
    "units",
    "unknown_eans",
    "sweep_calls",
    "sweep_min",
    "look_up_calls",
    "look_ups_min",
)

OWN_EVENTS: Final = (
    _event("starts", "starts", *ABOUT, "health_port", "console_port"),
    _event("begins", "begins", *ABOUT, "push_port"),
    _event("ended", "ended", "reason", "kind", "exit_code"),
    _event("waits", WAITING, "reason"),
    _event("setting_note", "setting", "note"),
    _event("topic_note", "topic", "topic", "note", "remedy"),
    _event("routing_differs", "routing is not the accepted one", "difference"),
    _event("bodies_logged", "bodies of calls are logged", "seconds"),
    _event("daily_budget", "daily budget", "account", "calls", "day"),
    _event(
        "carrier_unlisted",
        "a configured carrier has no effect: the marketplace does not list it",
        "account",
        "setting",
        "codes",
        "remedy",
    ),
    _event("cold_start_failed", "offers that waited for a sweep are looked up", *_COLD, "reason"),
    _event("cold_start_waits", "offers that are not known wait for the sweep", *_COLD),
    _event("cold_start_looks_up", "offers that are not known are looked up", *_COLD),
    _event("console_unavailable", "the console cannot listen", "where", "reason", "remedy"),
    _event("console_page_failed", "a page of the console failed", "reason"),
    _event("console_sample_failed", "the console could not take a sample", "reason"),
    _event("console_command", "a command was given in the console", "command", "state", "by"),
    _event("console_sign_in_failed", "somebody could not sign in to the console"),
    _event("tls_file_refused", "a changed TLS file cannot be used; the last valid one stays in use", "reason"),
    _event("tls_files_read", "TLS files were read again"),
    _event("broker_credentials_read", "the broker's credentials were read again", "user", "clients"),
    _event("configuration_changed", "the configuration has changed", "file", "note", "in_use_now"),
    _event("configuration_read", "the configuration was read again", "file", "in_use_now"),
    _event("file_read", "a file was read again", "setting", "file"),
    _event(
        "file_refused", "a changed file is refused; its last valid content stays in use", "setting", "file", "reason"
    ),
    _event(
        "buffers_changed",
        "buffers of the stock have changed: what the marketplace has keeps the old ones until the next event",
        "eans",
        "remedy",
    ),
    _event(
        "switched_on_unswept",
        "targets that were switched on are swept after the next start of the process that sweeps",
        "targets",
        "remedy",
    ),
    _event("overrides_in_use", "overrides are in use", "file", "eans"),
    _event("overrides_empty", "the file of overrides has no EAN: there is no floor, buffer or hold", "file"),
    _event("command_read", "command read", "command", "kind", "state", "by", "until"),
    _event("command_ignored", "a command is ignored", "key", "offset", "reason", "remedy"),
    _event("command_schema_missing", "the schema of a command cannot be fetched", "reason"),
    _event("replay_not_read", "a replay is not read", "replay_id", "reason", "remedy"),
    _event("push_refused", "push message refused", "account", "outcome"),
    _event("push_poll_failed", "push could not trigger a poll", "account", "reason"),
    _event("push_unreadable", "the subscriptions cannot be read", "account", "reason"),
    _event("push_disabled", "the marketplace has disabled subscriptions", "account", "of", "remedy"),
    _event("push_missing", "the marketplace notifies nothing to this address", "account", "remedy"),
    _event("push_works", "the marketplace notifies", "account", "subscriptions"),
    _event("spans_sent", "spans are sent", "where", "ratio"),
    _event("collector_lost", "the collector takes no spans; they are lost", "where", "reason"),
    _event("collector_back", "the collector takes spans again", "where", "lost"),
    _event("processes_start", "starts processes", "processes", "instance_ids"),
    _event("processes_pages", "serves the pages of all processes", "health_port"),
    _event("process_starts", "a process starts", "process", "pid", "pages"),
    _event("process_ended", "a process ended", "process", "exit", "starts_again_in_s"),
    _event("process_stands_still", "a process stands still and is killed", "process"),
    _event("process_not_stopped", "a process did not stop in time and is killed", "process"),
    _event("process_not_asked", "a process cannot be asked whether it is live", "process", "reason"),
    _event("crashed", "crashed"),
    _event("thread_crashed", "thread crashed", "thread"),
    _event("exception_lost", "exception that no caller can catch", "where"),
)

_IDS: Final[Mapping[str, str]] = {event.text: event.id for event in OWN_EVENTS}


def id_of(text: str) -> str:
    """Returns the id of a line of the connector by its text."""
    return _IDS.get(text) or ("waits" if text.startswith(WAITING) else LIBRARY)
