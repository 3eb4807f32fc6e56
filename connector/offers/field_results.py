"""Makes a flat row of each field of a result, for readers that take no nested records. Pure."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from connector.offers.events import Conversion, OfferFieldResult, OfferResult


def flat_rows(result: OfferResult) -> Iterator[OfferFieldResult]:
    """Yields the row of each field that the event carried; a tombstone has none."""
    sent = result.sent
    for field in result.fields:
        yield OfferFieldResult(
            result_id=result.result_id,
            event_id=result.event_id,
            origin=result.origin,
            field=field.field,
            field_status=field.status,
            field_code=field.code,
            status=result.status,
            code=result.code,
            target_id=result.target_id,
            account=result.account,
            storefront=result.storefront,
            condition=result.condition,
            ean=result.ean,
            offer_id=result.offer_id,
            unit_id=result.unit_id,
            requested=field.requested,
            before=field.before,
            before_basis=field.before_basis,
            before_at_us=field.before_at_us,
            sent=field.sent,
            accepted=field.accepted,
            currency=field.currency,
            superseded_by=field.superseded_by,
            winner=field.winner,
            units_moved=_listed(map(str, field.units_moved)),
            storefronts_moved=_listed(field.storefronts_moved),
            rules=_listed(field.rules),
            held_by=result.held_by,
            command_id=result.command_id,
            replay_id=result.replay_id,
            source=result.source,
            sequence=result.sequence,
            attributes=json.dumps(dict(result.attributes), ensure_ascii=False) if result.attributes else None,
            input_topic=result.input_topic,
            input_partition=result.input_partition,
            input_offset=result.input_offset,
            occurred_at_us=result.occurred_at_us,
            received_at_us=result.received_at_us,
            decided_at_us=result.decided_at_us,
            call_id=sent.call_ids[-1] if sent is not None and sent.call_ids else None,
            attempts=sent.attempts if sent is not None else None,
            sent_at_us=sent.sent_at_us if sent is not None else None,
            answered_at_us=sent.answered_at_us if sent is not None else None,
            unit_status=sent.unit_status if sent is not None else None,
            message=result.problem.message if result.problem is not None else None,
            **_conversion(field.conversion),
        )


def _conversion(used: Conversion | None) -> dict[str, Any]:
    if used is None:
        return {}
    return {
        "original_amount": used.amount,
        "original_currency": used.currency,
        "rate": used.rate,
        "rate_at_us": used.rate_at_us,
        "rate_source": used.rate_source,
        "rounding": used.rounding,
    }


def _listed(texts: Iterable[str]) -> str | None:
    return ",".join(texts) or None
