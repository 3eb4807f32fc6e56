"""Every code that a result or a dead letter may carry: one sentence and one advice each, with their offending values.

``docs/codes.md`` is printed from here: ``python -m connector.contracts.codes > docs/codes.md``.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from connector.contracts.problem import Problem


class Code(StrEnum):
    """The closed set; a code is never renamed."""

    # who is meant
    OFFER_NOT_FOUND = "OFFER_NOT_FOUND"
    AMBIGUOUS_OFFER = "AMBIGUOUS_OFFER"
    IDENTITY_CONFLICT = "IDENTITY_CONFLICT"
    ALIAS_EAN = "ALIAS_EAN"
    UNIT_GONE = "UNIT_GONE"
    FULFILLED_BY_MARKETPLACE = "FULFILLED_BY_MARKETPLACE"
    # what the event says
    EAN_MISSING = "EAN_MISSING"
    EAN_INVALID = "EAN_INVALID"
    KEY_CONTRADICTS_EAN = "KEY_CONTRADICTS_EAN"
    KEY_NOT_NORMAL = "KEY_NOT_NORMAL"
    TARGET_MISSING = "TARGET_MISSING"
    TARGET_UNKNOWN = "TARGET_UNKNOWN"
    CONDITION_MISSING = "CONDITION_MISSING"
    CONDITION_UNKNOWN = "CONDITION_UNKNOWN"
    NOTHING_CARRIED = "NOTHING_CARRIED"
    EVENT_TIME_IN_FUTURE = "EVENT_TIME_IN_FUTURE"
    EVENT_TIME_UNIT_WRONG = "EVENT_TIME_UNIT_WRONG"
    RECORD_TIME_INVALID = "RECORD_TIME_INVALID"
    SEQUENCE_MISSING = "SEQUENCE_MISSING"
    OUT_OF_ORDER = "OUT_OF_ORDER"
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH"
    PRICE_NOT_IN_MINOR_UNITS = "PRICE_NOT_IN_MINOR_UNITS"
    PRICE_NOT_POSITIVE = "PRICE_NOT_POSITIVE"
    PRICE_ABOVE_CEILING = "PRICE_ABOVE_CEILING"
    STOCK_OUT_OF_RANGE = "STOCK_OUT_OF_RANGE"
    CLAMPED = "CLAMPED"
    LOCATION_NOT_CONFIGURED = "LOCATION_NOT_CONFIGURED"
    HANDLING_TIME_OUT_OF_RANGE = "HANDLING_TIME_OUT_OF_RANGE"
    # switches
    TARGET_DISABLED = "TARGET_DISABLED"
    EAN_NOT_ALLOWED = "EAN_NOT_ALLOWED"
    PRICE_SYNC_OFF = "PRICE_SYNC_OFF"
    DRY_RUN = "DRY_RUN"
    TOMBSTONE = "TOMBSTONE"
    # what the marketplace says
    MARKETPLACE_REFUSED = "MARKETPLACE_REFUSED"
    STOREFRONT_NOT_CONFIGURED = "STOREFRONT_NOT_CONFIGURED"
    STOREFRONT_UNKNOWN = "STOREFRONT_UNKNOWN"
    VALUE_OUT_OF_BOUNDS = "VALUE_OUT_OF_BOUNDS"
    ACCEPTED_NOT_APPLIED = "ACCEPTED_NOT_APPLIED"
    GAVE_UP = "GAVE_UP"
    LOOKUP_REFUSED = "LOOKUP_REFUSED"
    # parcels: what the event says
    ORDER_ID_MISSING = "ORDER_ID_MISSING"
    KEY_CONTRADICTS_ORDER = "KEY_CONTRADICTS_ORDER"
    ACCOUNT_MISSING = "ACCOUNT_MISSING"
    ACCOUNT_UNKNOWN = "ACCOUNT_UNKNOWN"
    ORDER_UNITS_REPEATED = "ORDER_UNITS_REPEATED"
    ORDER_UNITS_NOT_NAMED = "ORDER_UNITS_NOT_NAMED"
    ITEMS_BESIDE_UNITS = "ITEMS_BESIDE_UNITS"
    ITEM_INVALID = "ITEM_INVALID"
    ITEM_NOT_IN_ORDER = "ITEM_NOT_IN_ORDER"
    ITEMS_NOT_OPEN = "ITEMS_NOT_OPEN"
    ITEMS_PARTLY_SENT = "ITEMS_PARTLY_SENT"
    EVENT_ID_REUSED = "EVENT_ID_REUSED"
    PARCELS_MISSING = "PARCELS_MISSING"
    TRACKING_NUMBER_MISSING = "TRACKING_NUMBER_MISSING"
    TRACKING_NUMBER_INVALID = "TRACKING_NUMBER_INVALID"
    TRACKING_NUMBER_CONTRADICTED = "TRACKING_NUMBER_CONTRADICTED"
    TRACKING_NUMBER_REQUIRED = "TRACKING_NUMBER_REQUIRED"
    UNTRACKED_PARCEL_NOT_ALONE = "UNTRACKED_PARCEL_NOT_ALONE"
    CARRIER_UNKNOWN = "CARRIER_UNKNOWN"
    CARRIER_SENT_AS_OTHER = "CARRIER_SENT_AS_OTHER"
    SHIPMENTS_DISABLED = "SHIPMENTS_DISABLED"
    PARCELS_DRY_RUN = "PARCELS_DRY_RUN"
    # parcels: what the marketplace says
    ORDER_NOT_FOUND = "ORDER_NOT_FOUND"
    ORDER_UNIT_NOT_FOUND = "ORDER_UNIT_NOT_FOUND"
    ORDER_ANSWER_UNREADABLE = "ORDER_ANSWER_UNREADABLE"
    ORDER_UNITS_UNREADABLE = "ORDER_UNITS_UNREADABLE"
    ORDER_READ_REFUSED = "ORDER_READ_REFUSED"
    CARRIERS_REFUSED = "CARRIERS_REFUSED"
    ORDER_UNIT_OPEN = "ORDER_UNIT_OPEN"
    ORDER_UNIT_CANCELLED = "ORDER_UNIT_CANCELLED"
    SEND_REFUSED = "SEND_REFUSED"
    SENT_BY_ANOTHER = "SENT_BY_ANOTHER"
    NOTHING_LEFT_TO_SEND = "NOTHING_LEFT_TO_SEND"
    TRACKING_UNVERIFIED = "TRACKING_UNVERIFIED"
    PARCEL_REFUSED = "PARCEL_REFUSED"
    PARCEL_OUTCOME_UNKNOWN = "PARCEL_OUTCOME_UNKNOWN"
    # what the marketplace shows of orders
    ORDER_UNREADABLE = "ORDER_UNREADABLE"
    ORDER_ROW_UNREADABLE = "ORDER_ROW_UNREADABLE"
    ORDER_GONE = "ORDER_GONE"
    RETURN_ROW_UNREADABLE = "RETURN_ROW_UNREADABLE"
    RETURN_UNREADABLE = "RETURN_UNREADABLE"
    # what the scheduler topic asks for
    ACCOUNT_NOT_POLLED = "ACCOUNT_NOT_POLLED"
    COMMAND_UNKNOWN = "COMMAND_UNKNOWN"
    # dead letters: what cannot be read
    KEY_MISSING = "KEY_MISSING"
    KEY_MALFORMED = "KEY_MALFORMED"
    NOT_AVRO = "NOT_AVRO"
    VALUE_MISSING = "VALUE_MISSING"
    SCHEMA_UNKNOWN = "SCHEMA_UNKNOWN"
    SCHEMA_UNUSABLE = "SCHEMA_UNUSABLE"
    SCHEMA_INCOMPATIBLE = "SCHEMA_INCOMPATIBLE"
    MALFORMED_VALUE = "MALFORMED_VALUE"
    DECIMAL_NOT_EXACT = "DECIMAL_NOT_EXACT"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeText:
    """What a person reads; ``{names}`` are filled with the offending values."""

    sentence: str
    advice: str


TABLE: Mapping[Code, CodeText] = {
    Code.OFFER_NOT_FOUND: CodeText(
        sentence="Cannot find existing offer",
        advice="Create the offer for EAN {ean}, condition {condition}, storefront {storefront}, or correct the event; "
        "it is looked up again by itself, and by replay.",
    ),
    Code.AMBIGUOUS_OFFER: CodeText(
        sentence="{count} offers match EAN {ean}, condition {condition}, storefront {storefront}: {candidates}",
        advice="Name the one that is meant by offer_id or unit_id in the event.",
    ),
    Code.IDENTITY_CONFLICT: CodeText(
        sentence="The event's identifiers point at different offers: {named} by its id, {matched} by EAN, condition "
        "and storefront",
        advice="Correct offer_id, unit_id, EAN or condition at the source; nothing was sent.",
    ),
    Code.ALIAS_EAN: CodeText(
        sentence="EAN {ean} leads to unit {unit_id}, which EAN {first} already leads to",
        advice="Name this offer by EAN {first} alone, for the order of events is kept per EAN. Or withdraw EAN {first} "
        "with a tombstone, which ends its management on every target, and send a new event of this EAN a minute later: "
        "this one again may be older than what EAN {first} wrote.",
    ),
    Code.UNIT_GONE: CodeText(
        sentence="The marketplace lists unit {unit_id} and says that it does not exist",
        advice="Look at the offer in the seller portal, then replay this position.",
    ),
    Code.FULFILLED_BY_MARKETPLACE: CodeText(
        sentence="Unit {unit_id} is fulfilled by the marketplace, which counts its stock itself",
        advice="Send no stock for this offer, or offer it as fulfilled by merchant.",
    ),
    Code.EAN_MISSING: CodeText(sentence="The event has no EAN", advice="Fill ean at the source."),
    Code.EAN_INVALID: CodeText(
        sentence="The EAN is not valid: {reason}",
        advice="Correct the EAN at the source; zeros on the left belong to it.",
    ),
    Code.KEY_CONTRADICTS_EAN: CodeText(
        sentence="The record's key {key} is not the EAN {ean}",
        advice="Key the topic by EAN: run the rekey stage before the connector. Order can't be promised otherwise.",
    ),
    Code.KEY_NOT_NORMAL: CodeText(
        sentence="The record's key {key} is another form of the EAN {ean}",
        advice="Key the topic by the EAN's normal form (13 digits): run the rekey stage before the connector.",
    ),
    Code.TARGET_MISSING: CodeText(
        sentence="The event has no target_id", advice="Fill target_id at the source, or set offers.default_target."
    ),
    Code.TARGET_UNKNOWN: CodeText(
        sentence="Target {target_id} is not in the routing table, which has: {known}",
        advice="Correct target_id at the source, or add [targets.{target_id}].",
    ),
    Code.CONDITION_MISSING: CodeText(
        sentence="The event has no condition", advice="Fill condition at the source, or set offers.default_condition."
    ),
    Code.CONDITION_UNKNOWN: CodeText(
        sentence="Condition {condition} is not one of: {known}", advice="Correct condition at the source."
    ),
    Code.NOTHING_CARRIED: CodeText(
        sentence="The event carries neither price nor stock nor handling time",
        advice="Fill at least one of them, or do not send the event.",
    ),
    Code.EVENT_TIME_IN_FUTURE: CodeText(
        sentence="The event is dated {ahead_s} s ahead of {what}; at most {limit_s} s are taken",
        advice="Correct the clock or the time zone of the source, or send the event when it is to hold: nothing is "
        "kept for later.",
    ),
    Code.EVENT_TIME_UNIT_WRONG: CodeText(
        sentence="occurred_at {got} is not a moment between the years 2000 and 2100 in microseconds{guess}",
        advice="Write occurred_at in microseconds since the Unix epoch (timestamp-micros) at the source, and send the "
        "event again.",
    ),
    Code.RECORD_TIME_INVALID: CodeText(
        sentence="The record's timestamp {got_ms} is not a moment between the years 2000 and 2100 in milliseconds",
        advice="Let the producer stamp records in milliseconds since the Unix epoch, or set "
        "message.timestamp.type=LogAppendTime on the topic; then send the event again.",
    ),
    Code.SEQUENCE_MISSING: CodeText(
        sentence="The event has no sequence, and events of source {source} are ordered by it",
        advice='Let the source count every event, or set offers.order_by_source for it to "event_time" or "log"; then '
        "send what is true now in a new event.",
    ),
    Code.OUT_OF_ORDER: CodeText(
        sentence="A newer event had been read before this one: {newer} is newer than {this}",
        advice="Check the clocks of the producers and the order in which the source sends, and send what is true now "
        "in a new event. If clocks cannot be trusted, set message.timestamp.type=LogAppendTime on the input topic. If "
        'the times of the source cannot, set offers.order_by_source for it: "sequence" where every event has a '
        'sequence and none starts anew, "log" where it sends in order.',
    ),
    Code.CURRENCY_MISMATCH: CodeText(
        sentence="Storefront {storefront} takes prices in {expected}, the event has {got}",
        advice="Send the price in {expected}; nothing is converted.",
    ),
    Code.PRICE_NOT_IN_MINOR_UNITS: CodeText(
        sentence="Price {price} {currency} has more than {exponent} decimal places",
        advice="Round at the source, where the rule of rounding is known.",
    ),
    Code.PRICE_NOT_POSITIVE: CodeText(
        sentence="Price {price} {currency} is not above zero",
        advice="Correct the price; to stop selling, send stock 0.",
    ),
    Code.PRICE_ABOVE_CEILING: CodeText(
        sentence="Price {price} {currency} is above the marketplace's ceiling of {ceiling} {currency}",
        advice="Correct the price at the source.",
    ),
    Code.STOCK_OUT_OF_RANGE: CodeText(
        sentence="Stock {stock} is not in 0..{maximum}; what the marketplace holds was left as it is",
        advice="Correct the stock at the source; 0 means sold out. See offers.negative_stock and offers.max_stock.",
    ),
    Code.CLAMPED: CodeText(
        sentence="{what} is {bound}; it counts as {counted}",
        advice="The offer was set as if the event had said {counted}. Correct the stock at the source.",
    ),
    Code.LOCATION_NOT_CONFIGURED: CodeText(
        sentence="The stock is that of location {location} alone, and stocks of locations are not added up",
        advice='Set locations = "sum" in [offers] and replay the input from its start, or send totals without a '
        "location.",
    ),
    Code.HANDLING_TIME_OUT_OF_RANGE: CodeText(
        sentence="Handling time {days} is not in 0..{maximum} working days",
        advice="Correct the handling time at the source.",
    ),
    Code.TARGET_DISABLED: CodeText(
        sentence="Target {target_id} is switched off",
        advice="Set targets.{target_id}.enabled and replay, when it shall be sent.",
    ),
    Code.EAN_NOT_ALLOWED: CodeText(
        sentence="EAN {ean} is not on the allow-list of target {target_id}",
        advice="Add it to the allow-list and replay, when it shall be sent.",
    ),
    Code.PRICE_SYNC_OFF: CodeText(
        sentence="Prices are switched off for target {target_id}",
        advice="Set targets.{target_id}.price_sync and replay, when prices shall be sent.",
    ),
    Code.DRY_RUN: CodeText(
        sentence="A dry run: the fields would have been sent", advice="Run without --dry-run to send them."
    ),
    Code.TOMBSTONE: CodeText(
        sentence="A tombstone ended the management of EAN {ean}",
        advice="Nothing was sent or deleted; the next event for the EAN manages it again.",
    ),
    Code.MARKETPLACE_REFUSED: CodeText(
        sentence="The marketplace refused {fields}: {message}",
        advice="Correct the value by the marketplace's own words, then send a new event or replay this position.",
    ),
    Code.STOREFRONT_NOT_CONFIGURED: CodeText(
        sentence="The account does not sell on storefront {storefront}: {message}",
        advice="Activate the storefront in the seller portal, or correct [targets]; then replay this position.",
    ),
    Code.STOREFRONT_UNKNOWN: CodeText(
        sentence="Storefront {storefront} is not in the reference data, nothing was sent: {message}",
        advice="Correct [targets], or add the storefront to the reference data; then replay this position.",
    ),
    Code.VALUE_OUT_OF_BOUNDS: CodeText(
        sentence="The marketplace can never take this value, nothing was sent: {message}",
        advice="Correct the value at the source.",
    ),
    Code.ACCEPTED_NOT_APPLIED: CodeText(
        sentence="The marketplace accepted {field} {sent}, and its answer shows {got}",
        advice="Look for a rule of the marketplace or another system that sets this field.",
    ),
    Code.GAVE_UP: CodeText(
        sentence="Given up after the retry budget: {reason}",
        advice="Replay this position when the cause is mended; a newer event heals it too.",
    ),
    Code.LOOKUP_REFUSED: CodeText(
        sentence="The marketplace refused to look up EAN {ean} on storefront {storefront}: {message}",
        advice="Check that the storefront is activated for the account, then replay this position.",
    ),
    Code.ORDER_ID_MISSING: CodeText(sentence="The event has no order id", advice="Fill order_id at the source."),
    Code.KEY_CONTRADICTS_ORDER: CodeText(
        sentence="The record's key {key} is not the order id {order_id}",
        advice="Key the topic by order id: what becomes of an order is kept per key.",
    ),
    Code.ACCOUNT_MISSING: CodeText(
        sentence="The event names no account, and several are configured: {known}",
        advice="Fill account at the source.",
    ),
    Code.ACCOUNT_UNKNOWN: CodeText(
        sentence="Account {account} is not configured; these are: {known}",
        advice="Correct account at the source, or add [accounts.{account}]; then replay this position.",
    ),
    Code.ORDER_UNITS_REPEATED: CodeText(
        sentence="The event names an order unit twice: {units}",
        advice="Name each order unit once: an order unit is one piece.",
    ),
    Code.ORDER_UNITS_NOT_NAMED: CodeText(
        sentence="The event does not say what is in its parcels, and the order has several order units: {units}",
        advice="Name order_unit_ids or items at the source, then replay; or set require_units = false in [shipments] "
        "where such an event means the whole order.",
    ),
    Code.ITEMS_BESIDE_UNITS: CodeText(
        sentence="The event names both order_unit_ids and items",
        advice="Name one of the two at the source; nothing was sent.",
    ),
    Code.ITEM_INVALID: CodeText(
        sentence="The event has an item that cannot be matched ({item}): {reason}",
        advice="Give each item an offer_id or an ean, and a quantity of at least 1.",
    ),
    Code.ITEM_NOT_IN_ORDER: CodeText(
        sentence="Order {order_id} has {count} order units of this item, too few for what the event says: {item}",
        advice="Correct the item or the order id at the source; nothing was confirmed for the event.",
    ),
    Code.ITEMS_NOT_OPEN: CodeText(
        sentence="Too few order units of this item are still to be sent and not taken by another event: {count} for "
        "{item}; they show: {units}",
        advice="Correct the quantity at the source, or look in the seller portal what was sent or cancelled already, "
        "and stop a parcel whose units were cancelled if it can be stopped; nothing was confirmed for the event.",
    ),
    Code.ITEMS_PARTLY_SENT: CodeText(
        sentence="Order units of this item were sent, and not by this connector as far as it knows ({units}); whether "
        "they are among the pieces of this event is not known: {item}",
        advice="Look in the seller portal which units have these tracking numbers; for the others send an event with "
        "an event_id of its own that names them in order_unit_ids. Nothing was confirmed for this one.",
    ),
    Code.EVENT_ID_REUSED: CodeText(
        sentence="Another event of this order has the event_id {event_id}, says something else, and has confirmed "
        "order units or still waits",
        advice="Give each event an event_id of its own at the source, and send this one again under a new one; nothing "
        "was confirmed for it.",
    ),
    Code.PARCELS_MISSING: CodeText(sentence="The event has no parcel", advice="Fill parcels at the source."),
    Code.TRACKING_NUMBER_MISSING: CodeText(
        sentence="A parcel of carrier {carrier} has no tracking number, and the marketplace demands one",
        advice="Send the event when the tracking number is known; for a parcel that has none, set no_tracking.",
    ),
    Code.TRACKING_NUMBER_INVALID: CodeText(
        sentence="Tracking number {tracking_number} holds a comma, semicolon, vertical bar or control character",
        advice="Name each tracking number in a parcel of its own, without anything else.",
    ),
    Code.TRACKING_NUMBER_CONTRADICTED: CodeText(
        sentence="A parcel says that it has no tracking number, and names {tracking_number}",
        advice="Set no_tracking only for a parcel without a number.",
    ),
    Code.TRACKING_NUMBER_REQUIRED: CodeText(
        sentence="Parcels of carrier {carrier} ({code}) need a tracking number; without one may go: {allowed}",
        advice="Send the tracking number, or a carrier of those (untracked_carriers in [shipments]).",
    ),
    Code.UNTRACKED_PARCEL_NOT_ALONE: CodeText(
        sentence="The event has a parcel without a tracking number beside others",
        advice="Name such a parcel in an event of its own, with the order units that are in it.",
    ),
    Code.CARRIER_UNKNOWN: CodeText(
        sentence="Carrier {carrier} is neither in the marketplace's table nor an alias",
        advice="Correct the carrier at the source, or add it to [shipments.carriers] and replay this position.",
    ),
    Code.CARRIER_SENT_AS_OTHER: CodeText(
        sentence="The marketplace was told {code} for carrier {carrier}, which is neither in its table nor an alias",
        advice="Add the carrier to [shipments.carriers], so that buyers can follow their parcels.",
    ),
    Code.SHIPMENTS_DISABLED: CodeText(
        sentence="Shipments are switched off for account {account}",
        advice="Switch them on and replay, when they shall be confirmed.",
    ),
    Code.PARCELS_DRY_RUN: CodeText(
        sentence="A dry run: {what} would have been sent", advice="Run without --dry-run to send it."
    ),
    Code.ORDER_NOT_FOUND: CodeText(
        sentence="The marketplace does not know order {order_id} for account {account}",
        advice="Correct order id or account at the source, or replay this position when the order is there.",
    ),
    Code.ORDER_UNIT_NOT_FOUND: CodeText(
        sentence="The marketplace does not know order unit {unit} of order {order_id}",
        advice="Correct the order unit at the source; nothing was confirmed for it.",
    ),
    Code.ORDER_ANSWER_UNREADABLE: CodeText(
        sentence="The marketplace's answer about order {order_id} cannot be read: {fault}",
        advice="Report it with the digest of the row; replay this position when it can be read.",
    ),
    Code.ORDER_UNITS_UNREADABLE: CodeText(
        sentence="The marketplace's answer about order {order_id} cannot be read: {fault}",
        advice="Report the fault with the digest; replay this position when it is mended.",
    ),
    Code.ORDER_READ_REFUSED: CodeText(
        sentence="The marketplace refused to show {what}: {message}",
        advice="Look at the rights of the account's key, then replay this position.",
    ),
    Code.CARRIERS_REFUSED: CodeText(
        sentence="The marketplace refused to show its carriers: {message}",
        advice="Look at the rights of the account's key, then replay this position.",
    ),
    Code.ORDER_UNIT_OPEN: CodeText(
        sentence="Order unit {unit} was not ready to be sent for {waited_s} s; it shows {status}",
        advice="Look at the order in the seller portal; replay this position when it is ready to be sent.",
    ),
    Code.ORDER_UNIT_CANCELLED: CodeText(
        sentence="Order unit {unit} was cancelled",
        advice="Stop the parcel if it can be stopped; the connector neither cancels nor refunds.",
    ),
    Code.SEND_REFUSED: CodeText(
        sentence="The marketplace refused to confirm order unit {unit}, which is still to be sent: {message}",
        advice="Correct carrier or tracking number by the marketplace's own words, then send a new event.",
    ),
    Code.SENT_BY_ANOTHER: CodeText(
        sentence="Order unit {unit} was sent already, and not by this connector as far as it knows; it shows {status}",
        advice="Look in the seller portal whether it has these tracking numbers: none was added, because a connector "
        "that lost its state would add them twice. If the parcel belongs to another order unit, send an event with an "
        "event_id of its own that names that unit in order_unit_ids.",
    ),
    Code.NOTHING_LEFT_TO_SEND: CodeText(
        sentence="No unit of the order was left to be sent when the event was read, and it names none",
        advice="For another parcel of units that are sent, send an event that names them.",
    ),
    Code.TRACKING_UNVERIFIED: CodeText(
        sentence="Order unit {unit} shows as sent after a confirmation whose answer was lost",
        advice="The marketplace does not show with which tracking numbers: look in the seller portal.",
    ),
    Code.PARCEL_REFUSED: CodeText(
        sentence="Order unit {unit} is sent; the marketplace refused to add parcel {tracking_number}: {message}",
        advice="Correct carrier or tracking number by the marketplace's own words, then send a new event.",
    ),
    Code.PARCEL_OUTCOME_UNKNOWN: CodeText(
        sentence="Parcel {tracking_number} was posted for order unit {unit}, which is sent, and the answer never came",
        advice="Look in the seller portal, and add it there if it is missing: posted again, it could be there twice.",
    ),
    Code.ORDER_UNREADABLE: CodeText(
        sentence="Order {order_id} of account {account} cannot be read ({where}): {fault}",
        advice="Look at the order in the seller portal and report the fault; it is read again by itself, until it can "
        "be read.",
    ),
    Code.ORDER_ROW_UNREADABLE: CodeText(
        sentence="A row of account {account}'s list of order units cannot be read ({where}): {fault}",
        advice="Where the row names its order, that is read all the same; else look for the order in the seller "
        "portal, and report the fault.",
    ),
    Code.ORDER_GONE: CodeText(
        sentence="The marketplace lists order {order_id} of account {account} and says that it does not exist",
        advice="Look at the order in the seller portal; it is read again when the list shows a change of it.",
    ),
    Code.RETURN_ROW_UNREADABLE: CodeText(
        sentence="A row of account {account}'s list of returns cannot be read ({where}): {fault}",
        advice="Look at the returns in the seller portal, and report the fault.",
    ),
    Code.RETURN_UNREADABLE: CodeText(
        sentence="A return of account {account} is listed and cannot be read ({where}): {fault}",
        advice="Look at the return in the seller portal and report the fault; it is in the topic without its units. It "
        "is read again some times, and when the list shows a change of it.",
    ),
    Code.ACCOUNT_NOT_POLLED: CodeText(
        sentence="The orders of account {account} are not polled; known are: {known}",
        advice="Correct the record's key, or switch the account's orders on.",
    ),
    Code.COMMAND_UNKNOWN: CodeText(
        sentence="The command is none that this version knows",
        advice="Use the connector's own command line to ask for a poll, in the version that runs.",
    ),
    Code.KEY_MISSING: CodeText(
        sentence="The record has no key",
        advice="Key the topic as its contract says (offers by EAN, with the rekey stage before the connector; "
        "shipments by order id).",
    ),
    Code.KEY_MALFORMED: CodeText(
        sentence="The record's key is not text in the configured format",
        advice="Check topics.key_format, and what the producer writes as key.",
    ),
    Code.NOT_AVRO: CodeText(
        sentence="The value is not Avro in Confluent's wire format",
        advice="Let the producer use a schema-registry serializer, then send the record again.",
    ),
    Code.VALUE_MISSING: CodeText(
        sentence="The record has no value", advice="Nothing is withdrawn by a tombstone here; look at its producer."
    ),
    Code.SCHEMA_UNKNOWN: CodeText(
        sentence="The schema registry does not know the value's schema",
        advice="Check that producer and connector use the same registry, then redrive the dead letter.",
    ),
    Code.SCHEMA_UNUSABLE: CodeText(
        sentence="The value's schema cannot be read with",
        advice="Correct the producer's schema; see the record's text.",
    ),
    Code.SCHEMA_INCOMPATIBLE: CodeText(
        sentence="The value's schema does not resolve to that of the topic's events",
        advice="Compare the producer's schema with the one under schemas/, such as offer_changed.v3.avsc.",
    ),
    Code.MALFORMED_VALUE: CodeText(
        sentence="The value does not follow its own schema",
        advice="Look for a producer that mixes up schemas; the bytes are in the dead letter.",
    ),
    Code.DECIMAL_NOT_EXACT: CodeText(
        sentence="A decimal does not fit decimal(18,4) exactly",
        advice="Round at the source, where the rule of rounding is known.",
    ),
}


def explain(code: Code, /, **values: object) -> Problem:
    """The sentence and the advice of a code, filled with the offending values."""
    words = TABLE[code]
    return Problem(message=words.sentence.format_map(values), advice=words.advice.format_map(values))


def known(code: str, otherwise: Code) -> Code:
    """The code of that name; ``otherwise`` where an edge has a word of its own."""
    return Code(code) if code in Code.__members__ else otherwise


def document() -> str:
    """The table as docs/codes.md shows it."""
    rows = [f"| `{code}` | {words.sentence} | {words.advice} |" for code, words in TABLE.items()]
    head = [
        "# Codes",
        "",
        "Every code of results, not-found rows and dead letters. Names in braces are filled with the offending values.",
        "",
        "| code | what it says | what to do |",
        "| --- | --- | --- |",
    ]
    return "\n".join([*head, *rows, ""])


if __name__ == "__main__":
    sys.stdout.write(document())
