"""Every code of results and dead letters, with its message and its advice, in which the offending values are filled in.

``docs/codes.md`` is printed from here: ``python -m connector.contracts.codes > docs/codes.md``.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from connector.contracts.problem import Problem


class Code(StrEnum):
    """The complete set of codes. A code is never renamed."""

    # identity of the offer
    OFFER_NOT_FOUND = "OFFER_NOT_FOUND"
    AMBIGUOUS_OFFER = "AMBIGUOUS_OFFER"
    IDENTITY_CONFLICT = "IDENTITY_CONFLICT"
    ALIAS_EAN = "ALIAS_EAN"
    UNIT_GONE = "UNIT_GONE"
    FULFILLED_BY_MARKETPLACE = "FULFILLED_BY_MARKETPLACE"
    # creation and deletion of units
    PRODUCT_NOT_IN_CATALOGUE = "PRODUCT_NOT_IN_CATALOGUE"
    OFFER_ID_TAKEN = "OFFER_ID_TAKEN"
    CREATION_REFUSED = "CREATION_REFUSED"
    DELETION_REFUSED = "DELETION_REFUSED"
    LISTING_UNKNOWN = "LISTING_UNKNOWN"
    DELETE_WITHOUT_ZERO = "DELETE_WITHOUT_ZERO"
    # contents of the event
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
    RATE_MISSING = "RATE_MISSING"
    RATE_TOO_OLD = "RATE_TOO_OLD"
    RATE_IN_FUTURE = "RATE_IN_FUTURE"
    PRICE_NOT_IN_MINOR_UNITS = "PRICE_NOT_IN_MINOR_UNITS"
    PRICE_NOT_POSITIVE = "PRICE_NOT_POSITIVE"
    PRICE_ABOVE_CEILING = "PRICE_ABOVE_CEILING"
    STOCK_OUT_OF_RANGE = "STOCK_OUT_OF_RANGE"
    CLAMPED = "CLAMPED"
    BUFFER_OVERRIDDEN = "BUFFER_OVERRIDDEN"
    LOCATION_NOT_CONFIGURED = "LOCATION_NOT_CONFIGURED"
    HANDLING_TIME_OUT_OF_RANGE = "HANDLING_TIME_OUT_OF_RANGE"
    # disabled by configuration
    TARGET_DISABLED = "TARGET_DISABLED"
    EAN_NOT_ALLOWED = "EAN_NOT_ALLOWED"
    PRICE_SYNC_OFF = "PRICE_SYNC_OFF"
    DRY_RUN = "DRY_RUN"
    TOMBSTONE = "TOMBSTONE"
    # compared and resent by a command
    NOTHING_ACCEPTED = "NOTHING_ACCEPTED"
    DIFFERS = "DIFFERS"
    STOCK_NOT_RAISED = "STOCK_NOT_RAISED"
    COMMAND_OVER = "COMMAND_OVER"
    REPAIR_OUTDATED = "REPAIR_OUTDATED"
    # held by a command
    HELD_BY_PERSON = "HELD_BY_PERSON"
    PAUSED = "PAUSED"
    HOLD_DROPPED = "HOLD_DROPPED"
    # held by a guard rail
    PRICE_STEP_TOO_LARGE = "PRICE_STEP_TOO_LARGE"
    PRICE_BELOW_FLOOR = "PRICE_BELOW_FLOOR"
    PRICE_OVER_RAIL = "PRICE_OVER_RAIL"
    RATE_JUMPED = "RATE_JUMPED"
    TOO_MANY_ZEROED = "TOO_MANY_ZEROED"
    TOO_MANY_PRICES_CHANGED = "TOO_MANY_PRICES_CHANGED"
    PRICE_BELOW_OWN_FLOOR = "PRICE_BELOW_OWN_FLOOR"
    HELD_BY_OVERRIDE = "HELD_BY_OVERRIDE"
    GUARD_DROPPED = "GUARD_DROPPED"
    # responses of the marketplace
    MARKETPLACE_REFUSED = "MARKETPLACE_REFUSED"
    STOREFRONT_NOT_CONFIGURED = "STOREFRONT_NOT_CONFIGURED"
    STOREFRONT_UNKNOWN = "STOREFRONT_UNKNOWN"
    VALUE_OUT_OF_BOUNDS = "VALUE_OUT_OF_BOUNDS"
    ACCEPTED_NOT_APPLIED = "ACCEPTED_NOT_APPLIED"
    GAVE_UP = "GAVE_UP"
    LOOKUP_REFUSED = "LOOKUP_REFUSED"
    # parcels: contents of the event
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
    # parcels: responses of the marketplace
    ORDER_NOT_FOUND = "ORDER_NOT_FOUND"
    ORDER_UNIT_NOT_FOUND = "ORDER_UNIT_NOT_FOUND"
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
    # orders and returns as the marketplace shows them
    ORDER_UNREADABLE = "ORDER_UNREADABLE"
    ORDER_ROW_UNREADABLE = "ORDER_ROW_UNREADABLE"
    ORDER_GONE = "ORDER_GONE"
    RETURN_ROW_UNREADABLE = "RETURN_ROW_UNREADABLE"
    RETURN_UNREADABLE = "RETURN_UNREADABLE"
    # commands of the scheduler topic
    ACCOUNT_NOT_POLLED = "ACCOUNT_NOT_POLLED"
    UNITS_NOT_SWEPT = "UNITS_NOT_SWEPT"
    COMMAND_UNKNOWN = "COMMAND_UNKNOWN"
    # dead letters: records that cannot be read
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
    """The text of a code; the offending values replace ``{names}``."""

    sentence: str
    advice: str


RELEASE_OR_DROP = (
    "A newer price within the limits takes its place. `connector guard release` sends what is held, `connector guard "
    "drop` discards it; the limits are [targets] settings."
)
"""The advice for what a guard rail holds."""

RELEASE_WINDOW = (
    "Further changes of this source are held until a person decides. If it is right, `connector guard release` sends "
    "what is held; if not, correct the source, whose newer values take its place, and discard the rest with "
    "`connector guard drop`."
)
"""The advice for what the guard rail of a window holds."""

TABLE: Mapping[Code, CodeText] = {
    Code.OFFER_NOT_FOUND: CodeText(
        sentence="Cannot find existing offer",
        advice="Create the offer for EAN {ean}, condition {condition}, storefront {storefront}, or correct the event. "
        "The look-up is repeated automatically, and by a replay.",
    ),
    Code.AMBIGUOUS_OFFER: CodeText(
        sentence="{count} offers match EAN {ean}, condition {condition}, storefront {storefront}: {candidates}",
        advice="Name the intended offer by offer_id or unit_id in the event.",
    ),
    Code.IDENTITY_CONFLICT: CodeText(
        sentence="The event's identifiers point at different offers: {named} by its id, {matched} by EAN, condition "
        "and storefront",
        advice="Correct offer_id, unit_id, EAN or condition at the source; nothing was sent.",
    ),
    Code.ALIAS_EAN: CodeText(
        sentence="EAN {ean} leads to unit {unit_id}, which is already managed through EAN {first}",
        advice="Use only EAN {first} for this offer, because events are ordered per EAN. To switch to this EAN "
        "instead, send a tombstone for EAN {first}, which ends its management on every target, and a minute "
        "later a new event for this EAN; do not repeat this event, which may be older than what EAN {first} "
        "wrote.",
    ),
    Code.UNIT_GONE: CodeText(
        sentence="The marketplace lists unit {unit_id} but reports that it does not exist",
        advice="Check the offer in the seller portal, then replay this position.",
    ),
    Code.FULFILLED_BY_MARKETPLACE: CodeText(
        sentence="Unit {unit_id} is fulfilled by the marketplace, which manages its stock itself",
        advice="Send no stock for this offer, or offer it as fulfilled by merchant.",
    ),
    Code.PRODUCT_NOT_IN_CATALOGUE: CodeText(
        sentence="The unit was not created: the catalogue has no product with EAN {ean} on storefront {storefront}",
        advice="Have the product added to the marketplace's catalogue, or correct the EAN. Each further look-up of the "
        "offer tries again to create it.",
    ),
    Code.OFFER_ID_TAKEN: CodeText(
        sentence="The unit was not created: the marketplace has another offer with offer_id {offer_id}",
        advice="An offer id is one product in one condition. Give the offer another offer_id at the source, and send "
        "its event again.",
    ),
    Code.CREATION_REFUSED: CodeText(
        sentence="The marketplace refused to create the unit: {message}",
        advice="Correct what the marketplace names, in the event or in [targets.<name>.create], and send the event "
        "again.",
    ),
    Code.DELETION_REFUSED: CodeText(
        sentence="The marketplace refused to delete unit {unit_id}: {message}",
        advice="The unit's stock is 0, so nothing is sold. Delete it in the seller portal, or send the event again.",
    ),
    Code.LISTING_UNKNOWN: CodeText(
        sentence="The listing {listing} is not known; known are {known}",
        advice="Correct listing at the source, or leave it empty.",
    ),
    Code.DELETE_WITHOUT_ZERO: CodeText(
        sentence="An event with listing DELETE must carry stock 0 and nothing else",
        advice="Send the event with stock 0, without location, price and handling time.",
    ),
    Code.EAN_MISSING: CodeText(
        sentence="The event has no EAN",
        advice="Fill ean at the source.",
    ),
    Code.EAN_INVALID: CodeText(
        sentence="The EAN is not valid: {reason}",
        advice="Correct the EAN at the source; leading zeros are part of it.",
    ),
    Code.KEY_CONTRADICTS_EAN: CodeText(
        sentence="The record's key {key} is not the EAN {ean}",
        advice="Key the topic by EAN, or have a job of your own copy it to a topic that is. With other keys, the order "
        "of events cannot be guaranteed.",
    ),
    Code.KEY_NOT_NORMAL: CodeText(
        sentence="The record's key {key} is another form of the EAN {ean}",
        advice="Key the topic by the EAN's normal form (13 digits), or have a job of your own copy it to a topic that "
        "is.",
    ),
    Code.TARGET_MISSING: CodeText(
        sentence="The event has no target_id",
        advice="Fill target_id at the source, or set offers.default_target.",
    ),
    Code.TARGET_UNKNOWN: CodeText(
        sentence="Target {target_id} is not in the routing table; configured targets: {known}",
        advice="Correct target_id at the source, or add [targets.{target_id}].",
    ),
    Code.CONDITION_MISSING: CodeText(
        sentence="The event has no condition",
        advice="Fill condition at the source, or set offers.default_condition.",
    ),
    Code.CONDITION_UNKNOWN: CodeText(
        sentence="Condition {condition} is not one of: {known}",
        advice="Correct condition at the source.",
    ),
    Code.NOTHING_CARRIED: CodeText(
        sentence="The event contains neither price nor stock nor handling time",
        advice="Fill at least one of them, or do not send the event.",
    ),
    Code.EVENT_TIME_IN_FUTURE: CodeText(
        sentence="The event is dated {ahead_s} s ahead of {what}; at most {limit_s} s are accepted",
        advice="Correct the clock or the time zone of the source. Send an event when its values take effect: events "
        "are not scheduled for later.",
    ),
    Code.EVENT_TIME_UNIT_WRONG: CodeText(
        sentence="occurred_at {got} is not a time between the years 2000 and 2100 in microseconds{guess}",
        advice="Write occurred_at in microseconds since the Unix epoch (timestamp-micros) at the source, and send the "
        "event again.",
    ),
    Code.RECORD_TIME_INVALID: CodeText(
        sentence="The record's timestamp {got_ms} is not a time between the years 2000 and 2100 in milliseconds",
        advice="Have the producer set record timestamps in milliseconds since the Unix epoch, or set "
        "message.timestamp.type=LogAppendTime on the topic; then send the event again.",
    ),
    Code.SEQUENCE_MISSING: CodeText(
        sentence="The event has no sequence, but events of source {source} are ordered by sequence",
        advice='Have the source number every event, or set offers.order_by_source for it to "event_time" or "log"; '
        "then send the current values in a new event.",
    ),
    Code.OUT_OF_ORDER: CodeText(
        sentence="A newer event was read before this one: {newer} is newer than {this}",
        advice="Check the clocks of the producers and the order in which the source sends, and send the current "
        "values in a new event. If producers' clocks cannot be trusted, set "
        "message.timestamp.type=LogAppendTime on the input topic. If the times that the source writes cannot "
        'be trusted, set offers.order_by_source for it: "sequence" where every event has a sequence that never '
        'restarts, "log" where the source sends in order.',
    ),
    Code.CURRENCY_MISMATCH: CodeText(
        sentence="Storefront {storefront} takes prices in {expected}, the event has {got}",
        advice="Send the price in {expected}; other currencies are converted only where prices.convert is on.",
    ),
    Code.RATE_MISSING: CodeText(
        sentence="The price is not converted: the file of rates has no rate {pair}",
        advice="Add the rate to the file of mappings.rates_file, then replay; or send the price in the storefront's "
        "currency.",
    ),
    Code.RATE_TOO_OLD: CodeText(
        sentence="The price is not converted: the rate {pair} is of {at} ({source}), and counts for {hours} hours",
        advice="Update the file of mappings.rates_file, then replay; see max_age in [targets.NAME.convert].",
    ),
    Code.RATE_IN_FUTURE: CodeText(
        sentence="The price is not converted: the rate {pair} is of {at}, which is in the future",
        advice="Correct the time in the file of mappings.rates_file, then replay; check the clock of this machine.",
    ),
    Code.PRICE_NOT_IN_MINOR_UNITS: CodeText(
        sentence="Price {price} {currency} has more than {exponent} decimal places",
        advice="Round at the source, where the rounding rule is known.",
    ),
    Code.PRICE_NOT_POSITIVE: CodeText(
        sentence="Price {price} {currency} is not above zero",
        advice="Correct the price; to stop selling, send stock 0.",
    ),
    Code.PRICE_ABOVE_CEILING: CodeText(
        sentence="Price {price} {currency} is above the marketplace's maximum of {ceiling} {currency}",
        advice="Correct the price at the source.",
    ),
    Code.STOCK_OUT_OF_RANGE: CodeText(
        sentence="Stock {stock} is not in 0..{maximum}; the marketplace's stock was not changed",
        advice="Correct the stock at the source; 0 means sold out. See offers.negative_stock and offers.max_stock.",
    ),
    Code.CLAMPED: CodeText(
        sentence="{what} is {bound}; it counts as {counted}",
        advice="The offer was updated as if the event had said {counted}. Correct the stock at the source.",
    ),
    Code.BUFFER_OVERRIDDEN: CodeText(
        sentence="Of stock {requested}, an override keeps back {buffer} in place of the target's rules ({because})",
        advice="No action is needed. The buffer is that of the file of mappings.overrides_file.",
    ),
    Code.LOCATION_NOT_CONFIGURED: CodeText(
        sentence="The stock is that of location {location} alone, and stocks of locations are not summed",
        advice='Set locations = "sum" in [offers] and replay the input from its start, or send totals without a '
        "location.",
    ),
    Code.HANDLING_TIME_OUT_OF_RANGE: CodeText(
        sentence="Handling time {days} is not in 0..{maximum} working days",
        advice="Correct the handling time at the source.",
    ),
    Code.TARGET_DISABLED: CodeText(
        sentence="Target {target_id} is disabled",
        advice="To send its events, set targets.{target_id}.enabled and replay.",
    ),
    Code.EAN_NOT_ALLOWED: CodeText(
        sentence="EAN {ean} is not on the allow-list of target {target_id}",
        advice="To send it, add it to the allow-list and replay.",
    ),
    Code.PRICE_SYNC_OFF: CodeText(
        sentence="Prices are disabled for target {target_id}",
        advice="To send prices, set targets.{target_id}.price_sync and replay.",
    ),
    Code.DRY_RUN: CodeText(
        sentence="Dry run: the fields would have been sent",
        advice="Run without --dry-run to send them.",
    ),
    Code.TOMBSTONE: CodeText(
        sentence="A tombstone ended the management of EAN {ean}",
        advice="Nothing was sent or deleted; the next event for the EAN resumes its management.",
    ),
    Code.NOTHING_ACCEPTED: CodeText(
        sentence="There is nothing to compare for EAN {ean}: no event of it has been accepted that {command_id} covers",
        advice="`connector why` shows what became of its events. A withdrawn EAN is compared again after its next "
        "event.",
    ),
    Code.DIFFERS: CodeText(
        sentence="The marketplace shows other values than the accepted events want; {command_id} only compares, so "
        "nothing was sent",
        advice="`connector resend {ean}` sends the values of the events again.",
    ),
    Code.STOCK_NOT_RAISED: CodeText(
        sentence="The marketplace shows {shown} pieces, and the accepted event wants {wanted}; {command_id} does not "
        "name stock, so it was not raised",
        advice="Sales lower the stock at the marketplace before the next event says so. If no sale explains it, "
        "`connector resend {ean} --field stock` sends the stock of the event again.",
    ),
    Code.COMMAND_OVER: CodeText(
        sentence="{command_id} was over before this value was compared and accepted; it is not sent any more",
        advice="Once nothing holds EAN {ean} back, `connector resend {ean}` compares it again.",
    ),
    Code.REPAIR_OUTDATED: CodeText(
        sentence="The marketplace shows {shown} pieces now, fewer than the accepted {wanted}; the repair of a drift "
        "was kept back meanwhile, and pieces may have been sold since, so the stock was not raised",
        advice="If no sale explains it, `connector resend {ean} --field stock` sends the stock of the event again.",
    ),
    Code.HELD_BY_PERSON: CodeText(
        sentence="{by} holds this change until {until} ({command_id}): {reason}",
        advice="`connector hold release {command_id}` has the newest values sent; `connector hold drop {command_id}` "
        "discards them.",
    ),
    Code.PAUSED: CodeText(
        sentence="{by} has paused changes until {until} ({command_id}): {reason}",
        advice="`connector hold release {command_id}` has the newest values sent; `connector hold drop {command_id}` "
        "discards them.",
    ),
    Code.HOLD_DROPPED: CodeText(
        sentence="{by} dropped what {command_id} had held ({reason})",
        advice="To have the value sent after all, replay this position or send the current values in a new event.",
    ),
    Code.PRICE_STEP_TOO_LARGE: CodeText(
        sentence="The guard rail price_step holds this price: {price} {currency} is {step} % away from {known}, which "
        "the marketplace has; at most {limit} % is allowed",
        advice=RELEASE_OR_DROP,
    ),
    Code.PRICE_BELOW_FLOOR: CodeText(
        sentence="The guard rail price_floor holds this price: {price} {currency} is below {floor}",
        advice=RELEASE_OR_DROP,
    ),
    Code.PRICE_OVER_RAIL: CodeText(
        sentence="The guard rail price_ceiling holds this price: {price} {currency} is above {ceiling}",
        advice=RELEASE_OR_DROP,
    ),
    Code.RATE_JUMPED: CodeText(
        sentence="The guard rail rate_jump holds this price: a {currency} counts as {rate} ({source}), which is "
        "{change} % away from {known} of {known_at}, the rate of the price before; at most {limit} % is allowed",
        advice="If the rate is wrong, correct the file of mappings.rates_file: the price is converted again and sent. "
        "If it is right, `connector guard release` sends the price; a newer price takes its place.",
    ),
    Code.TOO_MANY_ZEROED: CodeText(
        sentence="The guard rail zeroed_share holds this stock of zero: within {window_s} s, {source} has set more "
        "than {allowed} of the {known} EANs of partition {partition} to zero, and {share} % are allowed",
        advice=RELEASE_WINDOW,
    ),
    Code.TOO_MANY_PRICES_CHANGED: CodeText(
        sentence="The guard rail changed_price_share holds this price: within {window_s} s, {source} has changed the "
        "prices of more than {allowed} of the {known} EANs of partition {partition}, and {share} % are allowed",
        advice=RELEASE_WINDOW,
    ),
    Code.PRICE_BELOW_OWN_FLOOR: CodeText(
        sentence="An override holds this price: {price} {currency} is below the offer's floor {floor} ({because})",
        advice="A newer price within the limits takes its place. Once the file of mappings.overrides_file has another "
        "floor, what it allows is sent; `connector guard release` and `connector guard drop` decide on it as well.",
    ),
    Code.HELD_BY_OVERRIDE: CodeText(
        sentence="An override holds {field} of this offer ({because})",
        advice="Once the file of mappings.overrides_file does not hold it any more, the newest value is sent.",
    ),
    Code.GUARD_DROPPED: CodeText(
        sentence="{by} dropped what the guard rail {rail} had held ({command_id}): {reason}",
        advice="To have the value sent after all, replay this position or send the current values in a new event.",
    ),
    Code.MARKETPLACE_REFUSED: CodeText(
        sentence="The marketplace rejected {fields}: {message}",
        advice="Correct the value according to the marketplace's message, then send a new event or replay this "
        "position.",
    ),
    Code.STOREFRONT_NOT_CONFIGURED: CodeText(
        sentence="The account does not sell on storefront {storefront}: {message}",
        advice="Activate the storefront in the seller portal, or correct [targets]; then replay this position.",
    ),
    Code.STOREFRONT_UNKNOWN: CodeText(
        sentence="Storefront {storefront} is not in the reference data; nothing was sent: {message}",
        advice="Correct [targets], or add the storefront to the file of mappings.reference_file; then replay this "
        "position.",
    ),
    Code.VALUE_OUT_OF_BOUNDS: CodeText(
        sentence="The marketplace never accepts this value; nothing was sent: {message}",
        advice="Correct the value at the source.",
    ),
    Code.ACCEPTED_NOT_APPLIED: CodeText(
        sentence="The marketplace accepted {field} {sent}, but its response shows {got}",
        advice="Look for a rule of the marketplace, or another system, that sets this field.",
    ),
    Code.GAVE_UP: CodeText(
        sentence="The retry budget is exhausted: {reason}",
        advice="Replay this position when the cause is fixed; a newer event also corrects it.",
    ),
    Code.LOOKUP_REFUSED: CodeText(
        sentence="The marketplace rejected the look-up of EAN {ean} on storefront {storefront}: {message}",
        advice="Check that the storefront is activated for the account, then replay this position.",
    ),
    Code.ORDER_ID_MISSING: CodeText(
        sentence="The event has no order id",
        advice="Fill order_id at the source.",
    ),
    Code.KEY_CONTRADICTS_ORDER: CodeText(
        sentence="The record's key {key} is not the order id {order_id}",
        advice="Key the topic by order id: the state of an order is kept per key.",
    ),
    Code.ACCOUNT_MISSING: CodeText(
        sentence="The event names no account, and several are configured: {known}",
        advice="Fill account at the source.",
    ),
    Code.ACCOUNT_UNKNOWN: CodeText(
        sentence="Account {account} is not configured; configured accounts: {known}",
        advice="Correct account at the source, or add [accounts.{account}]; then replay this position.",
    ),
    Code.ORDER_UNITS_REPEATED: CodeText(
        sentence="The event names an order unit twice: {units}",
        advice="Name each order unit once: an order unit is one piece.",
    ),
    Code.ORDER_UNITS_NOT_NAMED: CodeText(
        sentence="The event does not say what its parcels contain, and the order has several order units: {units}",
        advice="Name order_unit_ids or items at the source, then replay; or set require_units = false in [shipments] "
        "if such an event means the whole order.",
    ),
    Code.ITEMS_BESIDE_UNITS: CodeText(
        sentence="The event names both order_unit_ids and items",
        advice="Name only one of the two at the source; nothing was sent.",
    ),
    Code.ITEM_INVALID: CodeText(
        sentence="The event has an item that cannot be matched ({item}): {reason}",
        advice="Give each item an offer_id or an ean, and a quantity of at least 1.",
    ),
    Code.ITEM_NOT_IN_ORDER: CodeText(
        sentence="Order {order_id} has {count} order units of this item, fewer than the event says: {item}",
        advice="Correct the item or the order id at the source; nothing was confirmed for the event.",
    ),
    Code.ITEMS_NOT_OPEN: CodeText(
        sentence="Too few order units of this item are still to be sent and not assigned to another event: {count} "
        "for {item}; their statuses: {units}",
        advice="Correct the quantity at the source, or check in the seller portal what was already sent or cancelled. "
        "Stop a parcel whose units were cancelled if that is still possible. Nothing was confirmed for the "
        "event.",
    ),
    Code.ITEMS_PARTLY_SENT: CodeText(
        sentence="Order units of this item were sent, as far as is known not by this connector ({units}); whether "
        "they are among the pieces of this event is unknown: {item}",
        advice="Check in the seller portal which units have these tracking numbers. For the others, send an event "
        "with a new event_id that names them in order_unit_ids. Nothing was confirmed for this one.",
    ),
    Code.EVENT_ID_REUSED: CodeText(
        sentence="Another event of this order has the event_id {event_id} but different contents, and has confirmed "
        "order units or is still waiting",
        advice="Give each event an event_id of its own at the source, and send this event again under a new one; "
        "nothing was confirmed for it.",
    ),
    Code.PARCELS_MISSING: CodeText(
        sentence="The event has no parcel",
        advice="Fill parcels at the source.",
    ),
    Code.TRACKING_NUMBER_MISSING: CodeText(
        sentence="A parcel of carrier {carrier} has no tracking number, and the marketplace requires one",
        advice="Send the event when the tracking number is known; for a parcel that has none, set no_tracking.",
    ),
    Code.TRACKING_NUMBER_INVALID: CodeText(
        sentence="Tracking number {tracking_number} contains a comma, semicolon, vertical bar or control character",
        advice="Name each tracking number in a parcel of its own, with nothing else in the field.",
    ),
    Code.TRACKING_NUMBER_CONTRADICTED: CodeText(
        sentence="A parcel is marked as having no tracking number, but names {tracking_number}",
        advice="Set no_tracking only for a parcel without a number.",
    ),
    Code.TRACKING_NUMBER_REQUIRED: CodeText(
        sentence="Parcels of carrier {carrier} ({code}) need a tracking number; carriers that need none: {allowed}",
        advice="Send the tracking number, or use one of those carriers (untracked_carriers in [shipments]).",
    ),
    Code.UNTRACKED_PARCEL_NOT_ALONE: CodeText(
        sentence="The event has a parcel without a tracking number next to other parcels",
        advice="Send such a parcel in an event of its own that names the order units in it.",
    ),
    Code.CARRIER_UNKNOWN: CodeText(
        sentence="Carrier {carrier} is neither in the marketplace's table nor an alias",
        advice="Correct the carrier at the source, or add it to [shipments.carriers] and replay this position.",
    ),
    Code.CARRIER_SENT_AS_OTHER: CodeText(
        sentence="{code} was sent to the marketplace for carrier {carrier}, which is neither in its table nor an alias",
        advice="Add the carrier to [shipments.carriers], so that buyers can track their parcels.",
    ),
    Code.SHIPMENTS_DISABLED: CodeText(
        sentence="Shipments are disabled for account {account}",
        advice="To confirm them, enable shipments for the account and replay.",
    ),
    Code.PARCELS_DRY_RUN: CodeText(
        sentence="Dry run: {what} would have been sent",
        advice="Run without --dry-run to send it.",
    ),
    Code.ORDER_NOT_FOUND: CodeText(
        sentence="The marketplace does not know order {order_id} for account {account}",
        advice="Correct order id or account at the source, or replay this position when the order exists.",
    ),
    Code.ORDER_UNIT_NOT_FOUND: CodeText(
        sentence="The marketplace does not know order unit {unit} of order {order_id}",
        advice="Correct the order unit at the source; nothing was confirmed for it.",
    ),
    Code.ORDER_UNITS_UNREADABLE: CodeText(
        sentence="The marketplace's response about order {order_id} cannot be read: {fault}",
        advice="Report the fault with the digest; replay this position when it is fixed.",
    ),
    Code.ORDER_READ_REFUSED: CodeText(
        sentence="The marketplace refused to return {what}: {message}",
        advice="Check the permissions of the account's key, then replay this position.",
    ),
    Code.CARRIERS_REFUSED: CodeText(
        sentence="The marketplace refused to return its carriers: {message}",
        advice="Check the permissions of the account's key, then replay this position.",
    ),
    Code.ORDER_UNIT_OPEN: CodeText(
        sentence="Order unit {unit} did not become ready to be sent within {waited_s} s; its status is {status}",
        advice="Check the order in the seller portal; replay this position when it is ready to be sent.",
    ),
    Code.ORDER_UNIT_CANCELLED: CodeText(
        sentence="Order unit {unit} was cancelled",
        advice="Stop the parcel if that is still possible; the connector neither cancels nor refunds.",
    ),
    Code.SEND_REFUSED: CodeText(
        sentence="The marketplace refused to confirm order unit {unit}, which is still to be sent: {message}",
        advice="Correct carrier or tracking number according to the marketplace's message, then send a new event.",
    ),
    Code.SENT_BY_ANOTHER: CodeText(
        sentence="Order unit {unit} was already sent, as far as is known not by this connector; its status is {status}",
        advice="Check in the seller portal whether it has these tracking numbers: none was added, because a connector "
        "that lost its state would add them twice. If the parcel belongs to another order unit, send an event "
        "with a new event_id that names that unit in order_unit_ids.",
    ),
    Code.NOTHING_LEFT_TO_SEND: CodeText(
        sentence="The event names no unit, and no unit of the order was still to be sent when it was read",
        advice="For another parcel of units that were already sent, send an event that names them.",
    ),
    Code.TRACKING_UNVERIFIED: CodeText(
        sentence="Order unit {unit} is marked as sent after a confirmation whose response was lost",
        advice="The marketplace does not return the tracking numbers: check them in the seller portal.",
    ),
    Code.PARCEL_REFUSED: CodeText(
        sentence="Order unit {unit} is sent; the marketplace refused to add parcel {tracking_number}: {message}",
        advice="Correct carrier or tracking number according to the marketplace's message, then send a new event.",
    ),
    Code.PARCEL_OUTCOME_UNKNOWN: CodeText(
        sentence="Parcel {tracking_number} was posted for order unit {unit}, which is sent, and no response was "
        "received",
        advice="Check the seller portal, and add the parcel there if it is missing: a second post could add it twice.",
    ),
    Code.ORDER_UNREADABLE: CodeText(
        sentence="Order {order_id} of account {account} cannot be read ({where}): {fault}",
        advice="Check the order in the seller portal and report the fault; reading it is retried automatically until "
        "it succeeds.",
    ),
    Code.ORDER_ROW_UNREADABLE: CodeText(
        sentence="A row of account {account}'s list of order units cannot be read ({where}): {fault}",
        advice="If the row names its order, that order is read nevertheless; otherwise look for the order in the "
        "seller portal. Report the fault.",
    ),
    Code.ORDER_GONE: CodeText(
        sentence="The marketplace lists order {order_id} of account {account} but reports that it does not exist",
        advice="Check the order in the seller portal; it is read again when the list shows a change of it.",
    ),
    Code.RETURN_ROW_UNREADABLE: CodeText(
        sentence="A row of account {account}'s list of returns cannot be read ({where}): {fault}",
        advice="Check the returns in the seller portal, and report the fault.",
    ),
    Code.RETURN_UNREADABLE: CodeText(
        sentence="A return of account {account} is listed but cannot be read ({where}): {fault}",
        advice="Check the return in the seller portal and report the fault. The topic has it without its units; "
        "reading it is retried a few times, and when the list shows a change of it.",
    ),
    Code.ACCOUNT_NOT_POLLED: CodeText(
        sentence="The orders of account {account} are not polled; polled accounts: {known}",
        advice="Correct the record's key, or enable orders for the account.",
    ),
    Code.UNITS_NOT_SWEPT: CodeText(
        sentence="The units of account {account} on storefront {storefront} are not swept; swept: {known}",
        advice="Correct account and storefront of the command, or enable [reconcile] and a target there.",
    ),
    Code.COMMAND_UNKNOWN: CodeText(
        sentence="This version does not know the command",
        advice="Request polls and sweeps with the connector's own command line, in the version that runs.",
    ),
    Code.KEY_MISSING: CodeText(
        sentence="The record has no key",
        advice="Key the topic as its contract says: offers by EAN, shipments by order id.",
    ),
    Code.KEY_MALFORMED: CodeText(
        sentence="The record's key is not text in the configured format",
        advice="Check topics.key_format, and what the producer writes as key.",
    ),
    Code.NOT_AVRO: CodeText(
        sentence="The value is not Avro in Confluent's wire format",
        advice="Use a schema-registry serializer in the producer, then send the record again.",
    ),
    Code.VALUE_MISSING: CodeText(
        sentence="The record has no value",
        advice="Tombstones have no meaning in this topic; check its producer.",
    ),
    Code.SCHEMA_UNKNOWN: CodeText(
        sentence="The schema registry does not know the value's schema",
        advice="Check that producer and connector use the same registry, then redrive the dead letters (connector dlq "
        "redrive).",
    ),
    Code.SCHEMA_UNUSABLE: CodeText(
        sentence="The value's schema cannot be used for reading",
        advice="Correct the producer's schema; connector dlq show prints the error.",
    ),
    Code.SCHEMA_INCOMPATIBLE: CodeText(
        sentence="The value's schema does not resolve to the schema of the topic's events",
        advice="Compare the producer's schema with the one under schemas/, such as offer_changed.v3.avsc.",
    ),
    Code.MALFORMED_VALUE: CodeText(
        sentence="The value does not match its own schema",
        advice="Look for a producer that mixes up schemas; connector dlq show prints the bytes.",
    ),
    Code.DECIMAL_NOT_EXACT: CodeText(
        sentence="A decimal does not fit decimal(18,4) exactly",
        advice="Round at the source, where the rounding rule is known.",
    ),
}


def explain(code: Code, /, **values: object) -> Problem:
    """Returns the message and the advice of a code, with the offending values filled in."""
    words = TABLE[code]
    return Problem(message=words.sentence.format_map(values), advice=words.advice.format_map(values))


def known(code: str, otherwise: Code) -> Code:
    """Returns the code of that name, or ``otherwise`` if there is none."""
    return Code(code) if code in Code.__members__ else otherwise


def document() -> str:
    """Returns the content of docs/codes.md."""
    rows = [f"| `{code}` | {words.sentence} | {words.advice} |" for code, words in TABLE.items()]
    head = [
        "# Codes",
        "",
        "Every code of results, not-found rows and dead letters. Offending values replace the names in braces.",
        "",
        "| code | message | what to do |",
        "| --- | --- | --- |",
    ]
    return "\n".join([*head, *rows, ""])


if __name__ == "__main__":
    sys.stdout.write(document())
