"""The headers of outputs: CloudEvents 1.0 (binary mode of its Kafka binding) and the input's trace context. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit, urlunsplit

from connector.contracts.call_log_row import MarketplaceCalled
from streams.flow import Headers
from streams.trace_context import TRACEPARENT

CONTENT_TYPE = b"application/avro"  # as the Kafka binding of CloudEvents names a value in Avro
TYPE_PREFIX = "kaufland.connector."
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The W3C trace context that an output carries on. ``tracestate`` is not carried: no state has a place for it."""

    traceparent: str | None = None


NO_TRACE = Trace()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Identifies a process in the headers of its outputs."""

    source: str  # a URI reference of the connector, such as /kaufland-connector/<group>
    instance_id: str
    config_digest: str  # of the effective settings
    dataschemas: Mapping[str, bytes] = field(default_factory=dict)  # class of an event -> URI of its schema

    def of(self, event: type, *, id_: str, time_us: int, subject: str, trace: Trace = NO_TRACE) -> Headers:
        """Returns the headers of an event; ``id_``, ``time_us`` and ``subject`` are ce_id, ce_time and ce_subject."""
        return (*self._headers(event, id_, time_us, subject), *(_trace(trace) if trace is not NO_TRACE else ()))

    def of_called(self, called: MarketplaceCalled) -> Headers:
        """Returns the headers of a row of the call log."""
        return self.of(MarketplaceCalled, id_=called.call_id, time_us=called.sent_at_us, subject=called.account)

    def of_decision(
        self, event: type, *, result_id: str, decided_at_us: int, subject: str, trace: Trace = NO_TRACE
    ) -> Headers:
        """Returns the headers of a result.

        ce_id also has the time of the decision, because the same ``result_id`` may be decided again.
        """
        return (
            *self._headers(event, f"{result_id}/{decided_at_us}", decided_at_us, subject),
            ("instance_id", self.instance_id.encode()),
            ("config_digest", self.config_digest.encode()),
            *(_trace(trace) if trace is not NO_TRACE else ()),
        )

    def _headers(self, event: type, id_: str, time_us: int, subject: str) -> Headers:
        dataschema = self.dataschemas.get(event.__name__)
        return (
            ("ce_specversion", b"1.0"),
            ("ce_id", id_.encode()),
            ("ce_source", self.source.encode()),
            ("ce_type", f"{TYPE_PREFIX}{event.__name__}.v1".encode()),
            ("ce_time", _rfc3339(time_us)),
            ("ce_subject", subject.encode()),
            ("content-type", CONTENT_TYPE),
            *((("ce_dataschema", dataschema),) if dataschema is not None else ()),
        )


def dataschemas(registry_url: str, ids: Mapping[str, int]) -> dict[str, bytes]:
    """Returns the URI of each record's schema in the registry, by the name of its class.

    ``ids``: the registry's ids, by record, such as ``offer_result``. User and password of the address are left out.
    """
    parts = urlsplit(registry_url)
    base = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
    return {
        "".join(word.capitalize() for word in record.split("_")): f"{base}/schemas/ids/{number}".encode()
        for record, number in ids.items()
    }


def _trace(trace: Trace) -> Headers:
    return () if trace.traceparent is None else ((TRACEPARENT, trace.traceparent.encode()),)


def _rfc3339(time_us: int) -> bytes:
    return f"{(_EPOCH + timedelta(microseconds=time_us)).isoformat(timespec='microseconds')}Z".encode()
