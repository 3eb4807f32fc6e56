-- Flat views of the topics for DuckDB. Printed by `connector contracts export --format sql`: do not edit.
-- Every time is UTC without a zone, every amount a decimal. docs/analytics.md says how the tables are filled and read.

CREATE TABLE IF NOT EXISTS raw_offer_changes (
  kafka_topic VARCHAR,
  kafka_partition INTEGER,
  kafka_offset BIGINT,
  kafka_timestamp TIMESTAMP,
  kafka_key VARCHAR,
  value STRUCT(event_id VARCHAR, occurred_at TIMESTAMP, sequence BIGINT, source VARCHAR, target_id VARCHAR, condition VARCHAR, ean VARCHAR, offer_id VARCHAR, unit_id BIGINT, price STRUCT(amount DECIMAL(18, 4), currency VARCHAR), stock INTEGER, location VARCHAR, handling_time_days INTEGER, attributes MAP(VARCHAR, VARCHAR), listing VARCHAR)
);

CREATE TABLE IF NOT EXISTS raw_offer_results (
  kafka_topic VARCHAR,
  kafka_partition INTEGER,
  kafka_offset BIGINT,
  kafka_timestamp TIMESTAMP,
  kafka_key VARCHAR,
  value STRUCT(result_id VARCHAR, event_id VARCHAR, origin VARCHAR, status VARCHAR, code VARCHAR, ean VARCHAR, target_id VARCHAR, condition VARCHAR, unit_id BIGINT, fields STRUCT(field VARCHAR, status VARCHAR, requested DECIMAL(18, 4), before DECIMAL(18, 4), sent DECIMAL(18, 4), currency VARCHAR, code VARCHAR, superseded_by VARCHAR, before_basis VARCHAR, before_at TIMESTAMP, accepted DECIMAL(18, 4), units_moved BIGINT[], storefronts_moved VARCHAR[], rules VARCHAR[], winner VARCHAR, conversion STRUCT(amount DECIMAL(18, 4), currency VARCHAR, rate VARCHAR, rate_at TIMESTAMP, rate_source VARCHAR, rounding VARCHAR))[], input_topic VARCHAR, input_partition INTEGER, input_offset BIGINT, occurred_at TIMESTAMP, received_at TIMESTAMP, decided_at TIMESTAMP, sent STRUCT(account VARCHAR, storefront VARCHAR, offer_id VARCHAR, call_ids VARCHAR[], attempts INTEGER, sent_at TIMESTAMP, answered_at TIMESTAMP, unit_status VARCHAR, storefronts_moved VARCHAR[]), problem STRUCT(message VARCHAR, advice VARCHAR, http_status INTEGER, type VARCHAR, marketplace_message VARCHAR, errors STRUCT(field VARCHAR, message VARCHAR)[]), lookup_call_ids VARCHAR[], held_by VARCHAR, command_id VARCHAR, command_results INTEGER, account VARCHAR, storefront VARCHAR, offer_id VARCHAR, source VARCHAR, sequence BIGINT, attributes MAP(VARCHAR, VARCHAR), replay_id VARCHAR)
);

CREATE TABLE IF NOT EXISTS raw_offers_not_found (
  kafka_topic VARCHAR,
  kafka_partition INTEGER,
  kafka_offset BIGINT,
  kafka_timestamp TIMESTAMP,
  kafka_key VARCHAR,
  value STRUCT(result_id VARCHAR, event_id VARCHAR, code VARCHAR, message VARCHAR, advice VARCHAR, target_id VARCHAR, account VARCHAR, storefront VARCHAR, ean VARCHAR, condition VARCHAR, offer_id VARCHAR, hint VARCHAR, candidates STRUCT(unit_id BIGINT, storefront VARCHAR, condition VARCHAR, offer_id VARCHAR)[], attributes MAP(VARCHAR, VARCHAR), pending STRUCT(field VARCHAR, value DECIMAL(18, 4), currency VARCHAR, event_time TIMESTAMP, event_id VARCHAR)[], first_seen_at TIMESTAMP, last_seen_at TIMESTAMP, times_seen BIGINT, next_check_at TIMESTAMP, unit_id BIGINT)
);

CREATE TABLE IF NOT EXISTS raw_marketplace_calls (
  kafka_topic VARCHAR,
  kafka_partition INTEGER,
  kafka_offset BIGINT,
  kafka_timestamp TIMESTAMP,
  kafka_key VARCHAR,
  value STRUCT(call_id VARCHAR, account VARCHAR, storefront VARCHAR, kind VARCHAR, method VARCHAR, path VARCHAR, attempt INTEGER, sent_at TIMESTAMP, answered_at TIMESTAMP, duration_us BIGINT, http_status INTEGER, outcome VARCHAR, problem_type VARCHAR, transport_error VARCHAR, tokens_left INTEGER, request_sha256 VARCHAR, response_sha256 VARCHAR, items STRUCT(unit_id BIGINT, event_ids VARCHAR[], event_count INTEGER, status_code INTEGER, code VARCHAR)[], event_ids VARCHAR[], event_count INTEGER, listed INTEGER, request_body VARCHAR, response_body VARCHAR, instance_id VARCHAR, waited_us BIGINT, limit_per_second DECIMAL(18, 4), request_bytes INTEGER, response_bytes INTEGER)
);

CREATE TABLE IF NOT EXISTS raw_offer_state (
  kafka_topic VARCHAR,
  kafka_partition INTEGER,
  kafka_offset BIGINT,
  kafka_timestamp TIMESTAMP,
  kafka_key VARCHAR,
  value STRUCT(ean VARCHAR, managed BOOLEAN, unmanaged_at TIMESTAMP, unmanaged_offset BIGINT, units STRUCT(account VARCHAR, storefront VARCHAR, condition VARCHAR, unit_id BIGINT, offer_id VARCHAR, unit_status VARCHAR, fulfilled_by_marketplace BOOLEAN, proved_at TIMESTAMP, fields STRUCT(field VARCHAR, value DECIMAL(18, 4), currency VARCHAR, basis VARCHAR, event_time TIMESTAMP, sequence BIGINT, source VARCHAR, event_id VARCHAR, input_offset BIGINT, accepted_at TIMESTAMP, certain BOOLEAN, value_known BOOLEAN, accepted_value DECIMAL(18, 4), conversion STRUCT(amount DECIMAL(18, 4), currency VARCHAR, rate VARCHAR, rate_at TIMESTAMP, rate_source VARCHAR, rounding VARCHAR))[], other_eans VARCHAR[], owner VARCHAR, owner_asked_at TIMESTAMP, claims VARCHAR[], release_at TIMESTAMP, created_at TIMESTAMP)[], misses STRUCT(account VARCHAR, storefront VARCHAR, condition VARCHAR, code VARCHAR, since TIMESTAMP, next_check_at TIMESTAMP, looked_at TIMESTAMP, times_seen INTEGER, call_ids VARCHAR[])[], locations STRUCT(target_id VARCHAR, condition VARCHAR, offer_id VARCHAR, unit_id BIGINT, location VARCHAR, stock INTEGER, occurred_at TIMESTAMP, sequence BIGINT, input_offset BIGINT, source VARCHAR)[], locations_before STRUCT(target_id VARCHAR, condition VARCHAR, offer_id VARCHAR, unit_id BIGINT, location VARCHAR, stock INTEGER, occurred_at TIMESTAMP, sequence BIGINT, input_offset BIGINT, source VARCHAR)[], marks STRUCT(target_id VARCHAR, condition VARCHAR, offer_id VARCHAR, unit_id BIGINT, location VARCHAR, field VARCHAR, event_time TIMESTAMP, sequence BIGINT, input_offset BIGINT, source VARCHAR, is_dropped BOOLEAN)[], undone STRUCT(result_id VARCHAR, event_id VARCHAR, target_id VARCHAR, condition VARCHAR, offer_id VARCHAR, unit_id BIGINT, input_offset BIGINT, occurred_at TIMESTAMP, sequence BIGINT, effective_at TIMESTAMP, source VARCHAR, received_at TIMESTAMP, since TIMESTAMP, origin VARCHAR, fields STRUCT(field VARCHAR, value DECIMAL(18, 4), currency VARCHAR, conversion STRUCT(amount DECIMAL(18, 4), currency VARCHAR, rate VARCHAR, rate_at TIMESTAMP, rate_source VARCHAR, rounding VARCHAR))[], ended STRUCT(field VARCHAR, status VARCHAR, code VARCHAR, superseded_by VARCHAR, before DECIMAL(18, 4), sent DECIMAL(18, 4), before_basis VARCHAR, before_at TIMESTAMP, accepted DECIMAL(18, 4), units_moved BIGINT[], storefronts_moved VARCHAR[], rules VARCHAR[], winner VARCHAR)[], announced VARCHAR, held STRUCT(field VARCHAR, held_by VARCHAR, never_sent BOOLEAN, guard VARCHAR, guarded_at TIMESTAMP)[], held_by VARCHAR, passed VARCHAR[], command_id VARCHAR, times_seen BIGINT, attributes MAP(VARCHAR, VARCHAR), one_by_one BOOLEAN, proved_again BOOLEAN, asked_again BOOLEAN, lookup_call_ids VARCHAR[], sent STRUCT(account VARCHAR, storefront VARCHAR, offer_id VARCHAR, call_ids VARCHAR[], attempts INTEGER, sent_at TIMESTAMP, answered_at TIMESTAMP, unit_status VARCHAR, storefronts_moved VARCHAR[]), problem STRUCT(message VARCHAR, advice VARCHAR, http_status INTEGER, type VARCHAR, marketplace_message VARCHAR, errors STRUCT(field VARCHAR, message VARCHAR)[]), reason VARCHAR, traceparent VARCHAR, listing STRUCT(wish VARCHAR, was_sent BOOLEAN))[], commands STRUCT(command_id VARCHAR, results INTEGER, expires_at TIMESTAMP)[], input_partition INTEGER, last_offset BIGINT, updated_at TIMESTAMP)
);

CREATE TABLE IF NOT EXISTS raw_routing (
  kafka_topic VARCHAR,
  kafka_partition INTEGER,
  kafka_offset BIGINT,
  kafka_timestamp TIMESTAMP,
  kafka_key VARCHAR,
  value STRUCT(consumer_group VARCHAR, targets STRUCT(target_id VARCHAR, account VARCHAR, storefront VARCHAR)[], accepted_at TIMESTAMP)
);

CREATE TABLE IF NOT EXISTS raw_replays (
  kafka_topic VARCHAR,
  kafka_partition INTEGER,
  kafka_offset BIGINT,
  kafka_timestamp TIMESTAMP,
  kafka_key VARCHAR,
  value STRUCT(replay_id VARCHAR, input_topic VARCHAR, partition INTEGER, "start" BIGINT, "end" BIGINT, "position" BIGINT, delivered BIGINT, state VARCHAR, reported_at TIMESTAMP, gone BIGINT)
);

CREATE TABLE IF NOT EXISTS raw_shipments (
  kafka_topic VARCHAR,
  kafka_partition INTEGER,
  kafka_offset BIGINT,
  kafka_timestamp TIMESTAMP,
  kafka_key VARCHAR,
  value STRUCT(event_id VARCHAR, occurred_at TIMESTAMP, sequence BIGINT, source VARCHAR, account VARCHAR, order_id VARCHAR, order_unit_ids BIGINT[], items STRUCT(offer_id VARCHAR, ean VARCHAR, quantity INTEGER)[], parcels STRUCT(carrier VARCHAR, tracking_number VARCHAR, no_tracking BOOLEAN)[], attributes MAP(VARCHAR, VARCHAR))
);

CREATE TABLE IF NOT EXISTS raw_shipment_results (
  kafka_topic VARCHAR,
  kafka_partition INTEGER,
  kafka_offset BIGINT,
  kafka_timestamp TIMESTAMP,
  kafka_key VARCHAR,
  value STRUCT(result_id VARCHAR, event_id VARCHAR, status VARCHAR, code VARCHAR, message VARCHAR, advice VARCHAR, account VARCHAR, storefront VARCHAR, order_id VARCHAR, order_unit_id BIGINT, carrier_requested VARCHAR, carrier_code VARCHAR, tracking_numbers VARCHAR[], units_open BIGINT[], call_ids VARCHAR[], attempts INTEGER, marketplace STRUCT(http_status INTEGER, type VARCHAR, message VARCHAR, errors STRUCT(field VARCHAR, message VARCHAR)[]), input_topic VARCHAR, input_partition INTEGER, input_offset BIGINT, occurred_at TIMESTAMP, received_at TIMESTAMP, decided_at TIMESTAMP, answered_at TIMESTAMP)
);

CREATE TABLE IF NOT EXISTS raw_orders (
  kafka_topic VARCHAR,
  kafka_partition INTEGER,
  kafka_offset BIGINT,
  kafka_timestamp TIMESTAMP,
  kafka_key VARCHAR,
  value STRUCT(account VARCHAR, order_id VARCHAR, storefront VARCHAR, created_at TIMESTAMP, changed_at TIMESTAMP, status VARCHAR, units STRUCT(order_unit_id BIGINT, status VARCHAR, status_raw VARCHAR, ean VARCHAR, offer_id VARCHAR, condition VARCHAR, price DECIMAL(18, 4), revenue_gross DECIMAL(18, 4), revenue_net DECIMAL(18, 4), shipping_rate DECIMAL(18, 4), vat DECIMAL(18, 4), currency VARCHAR, handling_due_at TIMESTAMP, deliver_by_min TIMESTAMP, deliver_by_max TIMESTAMP, cancel_reason VARCHAR, delivery_time_min_days INTEGER, delivery_time_max_days INTEGER, discounts STRUCT(usage_type VARCHAR, amount DECIMAL(18, 4))[], eco_fee DECIMAL(18, 4), packaging_fee DECIMAL(18, 4), is_marketplace_deemed_supplier BOOLEAN, created_at TIMESTAMP, changed_at TIMESTAMP, sent_at TIMESTAMP)[], units_open BIGINT[], open_since TIMESTAMP, complete BOOLEAN, payout_waits BOOLEAN, fulfillment_type VARCHAR, is_marketplace_deemed_supplier BOOLEAN, notes VARCHAR[], observed_at TIMESTAMP, content_sha256 VARCHAR)
);

CREATE TABLE IF NOT EXISTS raw_order_changes (
  kafka_topic VARCHAR,
  kafka_partition INTEGER,
  kafka_offset BIGINT,
  kafka_timestamp TIMESTAMP,
  kafka_key VARCHAR,
  value STRUCT(account VARCHAR, order_id VARCHAR, storefront VARCHAR, created_at TIMESTAMP, changed_at TIMESTAMP, status VARCHAR, units STRUCT(order_unit_id BIGINT, status VARCHAR, status_raw VARCHAR, ean VARCHAR, offer_id VARCHAR, condition VARCHAR, price DECIMAL(18, 4), revenue_gross DECIMAL(18, 4), revenue_net DECIMAL(18, 4), shipping_rate DECIMAL(18, 4), vat DECIMAL(18, 4), currency VARCHAR, handling_due_at TIMESTAMP, deliver_by_min TIMESTAMP, deliver_by_max TIMESTAMP, cancel_reason VARCHAR, delivery_time_min_days INTEGER, delivery_time_max_days INTEGER, discounts STRUCT(usage_type VARCHAR, amount DECIMAL(18, 4))[], eco_fee DECIMAL(18, 4), packaging_fee DECIMAL(18, 4), is_marketplace_deemed_supplier BOOLEAN, created_at TIMESTAMP, changed_at TIMESTAMP, sent_at TIMESTAMP)[], units_open BIGINT[], open_since TIMESTAMP, complete BOOLEAN, payout_waits BOOLEAN, fulfillment_type VARCHAR, is_marketplace_deemed_supplier BOOLEAN, notes VARCHAR[], observed_at TIMESTAMP, content_sha256 VARCHAR)
);

CREATE TABLE IF NOT EXISTS raw_returns (
  kafka_topic VARCHAR,
  kafka_partition INTEGER,
  kafka_offset BIGINT,
  kafka_timestamp TIMESTAMP,
  kafka_key VARCHAR,
  value STRUCT(account VARCHAR, return_id BIGINT, storefront VARCHAR, status_raw VARCHAR, order_unit_ids BIGINT[], reason VARCHAR, units STRUCT(return_unit_id BIGINT, order_unit_id BIGINT, status_raw VARCHAR, reason VARCHAR, has_note BOOLEAN)[], notes VARCHAR[], tracking_provider VARCHAR, created_at TIMESTAMP, changed_at TIMESTAMP, observed_at TIMESTAMP)
);

CREATE TABLE IF NOT EXISTS raw_sales_orders (
  kafka_topic VARCHAR,
  kafka_partition INTEGER,
  kafka_offset BIGINT,
  kafka_timestamp TIMESTAMP,
  kafka_key VARCHAR,
  value STRUCT(command_id VARCHAR, account VARCHAR, order_id VARCHAR, storefront VARCHAR, customer_number VARCHAR, created_at TIMESTAMP, requested_at TIMESTAMP, units STRUCT(order_unit_id BIGINT, status VARCHAR, status_raw VARCHAR, ean VARCHAR, offer_id VARCHAR, condition VARCHAR, price DECIMAL(18, 4), revenue_gross DECIMAL(18, 4), revenue_net DECIMAL(18, 4), shipping_rate DECIMAL(18, 4), vat DECIMAL(18, 4), currency VARCHAR, handling_due_at TIMESTAMP, deliver_by_min TIMESTAMP, deliver_by_max TIMESTAMP, cancel_reason VARCHAR, delivery_time_min_days INTEGER, delivery_time_max_days INTEGER, discounts STRUCT(usage_type VARCHAR, amount DECIMAL(18, 4))[], eco_fee DECIMAL(18, 4), packaging_fee DECIMAL(18, 4), is_marketplace_deemed_supplier BOOLEAN, created_at TIMESTAMP, changed_at TIMESTAMP, sent_at TIMESTAMP)[])
);

CREATE TABLE IF NOT EXISTS raw_units (
  kafka_topic VARCHAR,
  kafka_partition INTEGER,
  kafka_offset BIGINT,
  kafka_timestamp TIMESTAMP,
  kafka_key VARCHAR,
  value STRUCT(ean VARCHAR, account VARCHAR, storefront VARCHAR, unit_id BIGINT, condition VARCHAR, offer_id VARCHAR, other_eans VARCHAR[], status VARCHAR, is_live BOOLEAN, fulfilled_by_marketplace BOOLEAN, price DECIMAL(18, 4), currency VARCHAR, stock BIGINT, handling_time_days BIGINT, changed_at TIMESTAMP, ordered_at TIMESTAMP[], orders_read_at TIMESTAMP, orders_known_from TIMESTAMP, requested_at TIMESTAMP, observed_at TIMESTAMP, sweep_at TIMESTAMP, target_id VARCHAR)
);

CREATE TABLE IF NOT EXISTS raw_drift (
  kafka_topic VARCHAR,
  kafka_partition INTEGER,
  kafka_offset BIGINT,
  kafka_timestamp TIMESTAMP,
  kafka_key VARCHAR,
  value STRUCT(drift_id VARCHAR, ean VARCHAR, account VARCHAR, storefront VARCHAR, unit_id BIGINT, condition VARCHAR, offer_id VARCHAR, field VARCHAR, currency VARCHAR, accepted_value DECIMAL(18, 4), accepted_event_at TIMESTAMP, accepted_event_id VARCHAR, accepted_at TIMESTAMP, observed_value DECIMAL(18, 4), requested_at TIMESTAMP, observed_at TIMESTAMP, changed_at TIMESTAMP, sweep_at TIMESTAMP, cause VARCHAR, action VARCHAR, result_id VARCHAR, detected_at TIMESTAMP, target_id VARCHAR)
);

CREATE TABLE IF NOT EXISTS raw_dead_letters (
  kafka_topic VARCHAR,
  kafka_partition INTEGER,
  kafka_offset BIGINT,
  kafka_timestamp TIMESTAMP,
  kafka_key VARCHAR,
  headers MAP(VARCHAR, VARCHAR)
);

CREATE OR REPLACE VIEW offer_changes AS
SELECT
  r.kafka_topic AS kafka_topic,
  r.kafka_partition AS kafka_partition,
  r.kafka_offset AS kafka_offset,
  r.kafka_timestamp AS kafka_timestamp,
  r.kafka_key AS kafka_key,
  r.value.event_id AS event_id,
  r.value.occurred_at AS occurred_at,
  r.value.sequence AS sequence,
  r.value.source AS source,
  r.value.target_id AS target_id,
  r.value.condition AS condition,
  r.value.ean AS ean,
  r.value.offer_id AS offer_id,
  r.value.unit_id AS unit_id,
  r.value.price.amount AS price_amount,
  r.value.price.currency AS price_currency,
  r.value.stock AS stock,
  r.value.location AS location,
  r.value.handling_time_days AS handling_time_days,
  r.value.attributes AS attributes,
  r.value.listing AS listing
FROM raw_offer_changes AS r
WHERE r.value IS NOT NULL;

CREATE OR REPLACE VIEW offer_results AS
SELECT
  r.kafka_topic AS kafka_topic,
  r.kafka_partition AS kafka_partition,
  r.kafka_offset AS kafka_offset,
  r.kafka_timestamp AS kafka_timestamp,
  r.kafka_key AS kafka_key,
  r.value.result_id AS result_id,
  r.value.event_id AS event_id,
  r.value.origin AS origin,
  r.value.status AS status,
  r.value.code AS code,
  r.value.ean AS ean,
  r.value.target_id AS target_id,
  r.value.condition AS condition,
  r.value.unit_id AS unit_id,
  r.value.fields AS fields,
  r.value.input_topic AS input_topic,
  r.value.input_partition AS input_partition,
  r.value.input_offset AS input_offset,
  r.value.occurred_at AS occurred_at,
  r.value.received_at AS received_at,
  r.value.decided_at AS decided_at,
  r.value.sent.account AS sent_account,
  r.value.sent.storefront AS sent_storefront,
  r.value.sent.offer_id AS sent_offer_id,
  r.value.sent.call_ids AS sent_call_ids,
  r.value.sent.attempts AS sent_attempts,
  r.value.sent.sent_at AS sent_sent_at,
  r.value.sent.answered_at AS sent_answered_at,
  r.value.sent.unit_status AS sent_unit_status,
  r.value.sent.storefronts_moved AS sent_storefronts_moved,
  r.value.problem.message AS problem_message,
  r.value.problem.advice AS problem_advice,
  r.value.problem.http_status AS problem_http_status,
  r.value.problem.type AS problem_type,
  r.value.problem.marketplace_message AS problem_marketplace_message,
  r.value.problem.errors AS problem_errors,
  r.value.lookup_call_ids AS lookup_call_ids,
  r.value.held_by AS held_by,
  r.value.command_id AS command_id,
  r.value.command_results AS command_results,
  r.value.account AS account,
  r.value.storefront AS storefront,
  r.value.offer_id AS offer_id,
  r.value.source AS source,
  r.value.sequence AS sequence,
  r.value.attributes AS attributes,
  r.value.replay_id AS replay_id
FROM raw_offer_results AS r
WHERE r.value IS NOT NULL;

CREATE OR REPLACE VIEW offers_not_found AS
SELECT
  r.kafka_topic AS kafka_topic,
  r.kafka_partition AS kafka_partition,
  r.kafka_offset AS kafka_offset,
  r.kafka_timestamp AS kafka_timestamp,
  r.kafka_key AS kafka_key,
  r.value.result_id AS result_id,
  r.value.event_id AS event_id,
  r.value.code AS code,
  r.value.message AS message,
  r.value.advice AS advice,
  r.value.target_id AS target_id,
  r.value.account AS account,
  r.value.storefront AS storefront,
  r.value.ean AS ean,
  r.value.condition AS condition,
  r.value.offer_id AS offer_id,
  r.value.hint AS hint,
  r.value.candidates AS candidates,
  r.value.attributes AS attributes,
  r.value.pending AS pending,
  r.value.first_seen_at AS first_seen_at,
  r.value.last_seen_at AS last_seen_at,
  r.value.times_seen AS times_seen,
  r.value.next_check_at AS next_check_at,
  r.value.unit_id AS unit_id
FROM raw_offers_not_found AS r
QUALIFY ROW_NUMBER() OVER (PARTITION BY kafka_key ORDER BY kafka_offset DESC) = 1
  AND r.value IS NOT NULL;

CREATE OR REPLACE VIEW marketplace_calls AS
SELECT
  r.kafka_topic AS kafka_topic,
  r.kafka_partition AS kafka_partition,
  r.kafka_offset AS kafka_offset,
  r.kafka_timestamp AS kafka_timestamp,
  r.kafka_key AS kafka_key,
  r.value.call_id AS call_id,
  r.value.account AS account,
  r.value.storefront AS storefront,
  r.value.kind AS kind,
  r.value.method AS method,
  r.value.path AS path,
  r.value.attempt AS attempt,
  r.value.sent_at AS sent_at,
  r.value.answered_at AS answered_at,
  r.value.duration_us AS duration_us,
  r.value.http_status AS http_status,
  r.value.outcome AS outcome,
  r.value.problem_type AS problem_type,
  r.value.transport_error AS transport_error,
  r.value.tokens_left AS tokens_left,
  r.value.request_sha256 AS request_sha256,
  r.value.response_sha256 AS response_sha256,
  r.value.items AS items,
  r.value.event_ids AS event_ids,
  r.value.event_count AS event_count,
  r.value.listed AS listed,
  r.value.request_body AS request_body,
  r.value.response_body AS response_body,
  r.value.instance_id AS instance_id,
  r.value.waited_us AS waited_us,
  r.value.limit_per_second AS limit_per_second,
  r.value.request_bytes AS request_bytes,
  r.value.response_bytes AS response_bytes
FROM raw_marketplace_calls AS r
WHERE r.value IS NOT NULL
QUALIFY ROW_NUMBER() OVER (PARTITION BY call_id ORDER BY kafka_offset DESC) = 1;

CREATE OR REPLACE VIEW offer_state AS
SELECT
  r.kafka_topic AS kafka_topic,
  r.kafka_partition AS kafka_partition,
  r.kafka_offset AS kafka_offset,
  r.kafka_timestamp AS kafka_timestamp,
  r.kafka_key AS kafka_key,
  r.value.ean AS ean,
  r.value.managed AS managed,
  r.value.unmanaged_at AS unmanaged_at,
  r.value.unmanaged_offset AS unmanaged_offset,
  r.value.units AS units,
  r.value.misses AS misses,
  r.value.locations AS locations,
  r.value.locations_before AS locations_before,
  r.value.marks AS marks,
  r.value.undone AS undone,
  r.value.commands AS commands,
  r.value.input_partition AS input_partition,
  r.value.last_offset AS last_offset,
  r.value.updated_at AS updated_at
FROM raw_offer_state AS r
QUALIFY ROW_NUMBER() OVER (PARTITION BY kafka_key ORDER BY kafka_offset DESC) = 1
  AND r.value IS NOT NULL;

CREATE OR REPLACE VIEW routing AS
SELECT
  r.kafka_topic AS kafka_topic,
  r.kafka_partition AS kafka_partition,
  r.kafka_offset AS kafka_offset,
  r.kafka_timestamp AS kafka_timestamp,
  r.kafka_key AS kafka_key,
  r.value.consumer_group AS consumer_group,
  r.value.targets AS targets,
  r.value.accepted_at AS accepted_at
FROM raw_routing AS r
QUALIFY ROW_NUMBER() OVER (PARTITION BY kafka_key ORDER BY kafka_offset DESC) = 1
  AND r.value IS NOT NULL;

CREATE OR REPLACE VIEW replays AS
SELECT
  r.kafka_topic AS kafka_topic,
  r.kafka_partition AS kafka_partition,
  r.kafka_offset AS kafka_offset,
  r.kafka_timestamp AS kafka_timestamp,
  r.kafka_key AS kafka_key,
  r.value.replay_id AS replay_id,
  r.value.input_topic AS input_topic,
  r.value.partition AS partition,
  r.value."start" AS "start",
  r.value."end" AS "end",
  r.value."position" AS "position",
  r.value.delivered AS delivered,
  r.value.state AS state,
  r.value.reported_at AS reported_at,
  r.value.gone AS gone
FROM raw_replays AS r
QUALIFY ROW_NUMBER() OVER (PARTITION BY kafka_key ORDER BY kafka_offset DESC) = 1
  AND r.value IS NOT NULL;

CREATE OR REPLACE VIEW shipments AS
SELECT
  r.kafka_topic AS kafka_topic,
  r.kafka_partition AS kafka_partition,
  r.kafka_offset AS kafka_offset,
  r.kafka_timestamp AS kafka_timestamp,
  r.kafka_key AS kafka_key,
  r.value.event_id AS event_id,
  r.value.occurred_at AS occurred_at,
  r.value.sequence AS sequence,
  r.value.source AS source,
  r.value.account AS account,
  r.value.order_id AS order_id,
  r.value.order_unit_ids AS order_unit_ids,
  r.value.items AS items,
  r.value.parcels AS parcels,
  r.value.attributes AS attributes
FROM raw_shipments AS r
WHERE r.value IS NOT NULL;

CREATE OR REPLACE VIEW shipment_results AS
SELECT
  r.kafka_topic AS kafka_topic,
  r.kafka_partition AS kafka_partition,
  r.kafka_offset AS kafka_offset,
  r.kafka_timestamp AS kafka_timestamp,
  r.kafka_key AS kafka_key,
  r.value.result_id AS result_id,
  r.value.event_id AS event_id,
  r.value.status AS status,
  r.value.code AS code,
  r.value.message AS message,
  r.value.advice AS advice,
  r.value.account AS account,
  r.value.storefront AS storefront,
  r.value.order_id AS order_id,
  r.value.order_unit_id AS order_unit_id,
  r.value.carrier_requested AS carrier_requested,
  r.value.carrier_code AS carrier_code,
  r.value.tracking_numbers AS tracking_numbers,
  r.value.units_open AS units_open,
  r.value.call_ids AS call_ids,
  r.value.attempts AS attempts,
  r.value.marketplace.http_status AS marketplace_http_status,
  r.value.marketplace.type AS marketplace_type,
  r.value.marketplace.message AS marketplace_message,
  r.value.marketplace.errors AS marketplace_errors,
  r.value.input_topic AS input_topic,
  r.value.input_partition AS input_partition,
  r.value.input_offset AS input_offset,
  r.value.occurred_at AS occurred_at,
  r.value.received_at AS received_at,
  r.value.decided_at AS decided_at,
  r.value.answered_at AS answered_at
FROM raw_shipment_results AS r
WHERE r.value IS NOT NULL;

CREATE OR REPLACE VIEW orders AS
SELECT
  r.kafka_topic AS kafka_topic,
  r.kafka_partition AS kafka_partition,
  r.kafka_offset AS kafka_offset,
  r.kafka_timestamp AS kafka_timestamp,
  r.kafka_key AS kafka_key,
  r.value.account AS account,
  r.value.order_id AS order_id,
  r.value.storefront AS storefront,
  r.value.created_at AS created_at,
  r.value.changed_at AS changed_at,
  r.value.status AS status,
  r.value.units AS units,
  r.value.units_open AS units_open,
  r.value.open_since AS open_since,
  r.value.complete AS complete,
  r.value.payout_waits AS payout_waits,
  r.value.fulfillment_type AS fulfillment_type,
  r.value.is_marketplace_deemed_supplier AS is_marketplace_deemed_supplier,
  r.value.notes AS notes,
  r.value.observed_at AS observed_at,
  r.value.content_sha256 AS content_sha256
FROM raw_orders AS r
QUALIFY ROW_NUMBER() OVER (PARTITION BY kafka_key ORDER BY kafka_offset DESC) = 1
  AND r.value IS NOT NULL;

CREATE OR REPLACE VIEW order_changes AS
SELECT
  r.kafka_topic AS kafka_topic,
  r.kafka_partition AS kafka_partition,
  r.kafka_offset AS kafka_offset,
  r.kafka_timestamp AS kafka_timestamp,
  r.kafka_key AS kafka_key,
  r.value.account AS account,
  r.value.order_id AS order_id,
  r.value.storefront AS storefront,
  r.value.created_at AS created_at,
  r.value.changed_at AS changed_at,
  r.value.status AS status,
  r.value.units AS units,
  r.value.units_open AS units_open,
  r.value.open_since AS open_since,
  r.value.complete AS complete,
  r.value.payout_waits AS payout_waits,
  r.value.fulfillment_type AS fulfillment_type,
  r.value.is_marketplace_deemed_supplier AS is_marketplace_deemed_supplier,
  r.value.notes AS notes,
  r.value.observed_at AS observed_at,
  r.value.content_sha256 AS content_sha256
FROM raw_order_changes AS r
WHERE r.value IS NOT NULL;

CREATE OR REPLACE VIEW returns AS
SELECT
  r.kafka_topic AS kafka_topic,
  r.kafka_partition AS kafka_partition,
  r.kafka_offset AS kafka_offset,
  r.kafka_timestamp AS kafka_timestamp,
  r.kafka_key AS kafka_key,
  r.value.account AS account,
  r.value.return_id AS return_id,
  r.value.storefront AS storefront,
  r.value.status_raw AS status_raw,
  r.value.order_unit_ids AS order_unit_ids,
  r.value.reason AS reason,
  r.value.units AS units,
  r.value.notes AS notes,
  r.value.tracking_provider AS tracking_provider,
  r.value.created_at AS created_at,
  r.value.changed_at AS changed_at,
  r.value.observed_at AS observed_at
FROM raw_returns AS r
QUALIFY ROW_NUMBER() OVER (PARTITION BY kafka_key ORDER BY kafka_offset DESC) = 1
  AND r.value IS NOT NULL;

CREATE OR REPLACE VIEW sales_orders AS
SELECT
  r.kafka_topic AS kafka_topic,
  r.kafka_partition AS kafka_partition,
  r.kafka_offset AS kafka_offset,
  r.kafka_timestamp AS kafka_timestamp,
  r.kafka_key AS kafka_key,
  r.value.command_id AS command_id,
  r.value.account AS account,
  r.value.order_id AS order_id,
  r.value.storefront AS storefront,
  r.value.customer_number AS customer_number,
  r.value.created_at AS created_at,
  r.value.requested_at AS requested_at,
  r.value.units AS units
FROM raw_sales_orders AS r
WHERE r.value IS NOT NULL
QUALIFY ROW_NUMBER() OVER (PARTITION BY command_id ORDER BY kafka_offset DESC) = 1;

CREATE OR REPLACE VIEW units AS
SELECT
  r.kafka_topic AS kafka_topic,
  r.kafka_partition AS kafka_partition,
  r.kafka_offset AS kafka_offset,
  r.kafka_timestamp AS kafka_timestamp,
  r.kafka_key AS kafka_key,
  r.value.ean AS ean,
  r.value.account AS account,
  r.value.storefront AS storefront,
  r.value.unit_id AS unit_id,
  r.value.condition AS condition,
  r.value.offer_id AS offer_id,
  r.value.other_eans AS other_eans,
  r.value.status AS status,
  r.value.is_live AS is_live,
  r.value.fulfilled_by_marketplace AS fulfilled_by_marketplace,
  r.value.price AS price,
  r.value.currency AS currency,
  r.value.stock AS stock,
  r.value.handling_time_days AS handling_time_days,
  r.value.changed_at AS changed_at,
  r.value.ordered_at AS ordered_at,
  r.value.orders_read_at AS orders_read_at,
  r.value.orders_known_from AS orders_known_from,
  r.value.requested_at AS requested_at,
  r.value.observed_at AS observed_at,
  r.value.sweep_at AS sweep_at,
  r.value.target_id AS target_id
FROM raw_units AS r
QUALIFY ROW_NUMBER() OVER (PARTITION BY kafka_key ORDER BY kafka_offset DESC) = 1
  AND r.value IS NOT NULL;

CREATE OR REPLACE VIEW drift AS
SELECT
  r.kafka_topic AS kafka_topic,
  r.kafka_partition AS kafka_partition,
  r.kafka_offset AS kafka_offset,
  r.kafka_timestamp AS kafka_timestamp,
  r.kafka_key AS kafka_key,
  r.value.drift_id AS drift_id,
  r.value.ean AS ean,
  r.value.account AS account,
  r.value.storefront AS storefront,
  r.value.unit_id AS unit_id,
  r.value.condition AS condition,
  r.value.offer_id AS offer_id,
  r.value.field AS field,
  r.value.currency AS currency,
  r.value.accepted_value AS accepted_value,
  r.value.accepted_event_at AS accepted_event_at,
  r.value.accepted_event_id AS accepted_event_id,
  r.value.accepted_at AS accepted_at,
  r.value.observed_value AS observed_value,
  r.value.requested_at AS requested_at,
  r.value.observed_at AS observed_at,
  r.value.changed_at AS changed_at,
  r.value.sweep_at AS sweep_at,
  r.value.cause AS cause,
  r.value.action AS action,
  r.value.result_id AS result_id,
  r.value.detected_at AS detected_at,
  r.value.target_id AS target_id
FROM raw_drift AS r
WHERE r.value IS NOT NULL
QUALIFY ROW_NUMBER() OVER (PARTITION BY drift_id ORDER BY kafka_offset DESC) = 1;

CREATE OR REPLACE VIEW dead_letters AS
SELECT
  r.kafka_topic AS kafka_topic,
  r.kafka_partition AS kafka_partition,
  r.kafka_offset AS kafka_offset,
  r.kafka_timestamp AS kafka_timestamp,
  r.kafka_key AS kafka_key,
  r.headers['__connect.errors.topic'] AS input_topic,
  CAST(r.headers['__connect.errors.partition'] AS INTEGER) AS input_partition,
  CAST(r.headers['__connect.errors.offset'] AS BIGINT) AS input_offset,
  r.headers['code'] AS code,
  CAST(r.headers['attempts'] AS INTEGER) AS attempts,
  r.headers['__connect.errors.exception.message'] AS message
FROM raw_dead_letters AS r;

-- The rule for reading: one row of each input record. The newest answer that is no replay counts; a replay's only where
-- there is no other, which is_replay says. Values sent again (RESEND) are no events. is_redrive: the record came back
-- from a dead letter.
CREATE OR REPLACE VIEW offer_outcomes AS
SELECT
  r.*,
  r.origin = 'REPLAY' AS is_replay,
  MAX(CASE WHEN r.origin = 'REDRIVE' THEN 1 ELSE 0 END) OVER (PARTITION BY r.result_id) = 1 AS is_redrive
FROM offer_results AS r
WHERE r.origin <> 'RESEND'
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY r.result_id
  ORDER BY CASE r.origin WHEN 'REPLAY' THEN 1 ELSE 0 END, r.decided_at DESC, r.kafka_partition, r.kafka_offset DESC
) = 1;

-- One row of each order unit and event: an answer that says that a parcel was taken before one that finds it done.
CREATE OR REPLACE VIEW shipment_outcomes AS
SELECT s.*
FROM shipment_results AS s
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY s.result_id
  ORDER BY
    CASE WHEN s.status IN ('CONFIRMED', 'CONFIRMED_TRACKING_UNVERIFIED', 'PARCEL_ADDED') THEN 0 ELSE 1 END,
    s.decided_at DESC, s.kafka_partition, s.kafka_offset DESC
) = 1;

CREATE OR REPLACE VIEW offer_result_fields AS
SELECT
  s.kafka_topic AS kafka_topic,
  s.kafka_partition AS kafka_partition,
  s.kafka_offset AS kafka_offset,
  s.kafka_timestamp AS kafka_timestamp,
  s.kafka_key AS kafka_key,
  s.result_id AS result_id,
  s.event_id AS event_id,
  s.origin AS origin,
  s.status AS status,
  s.code AS code,
  s.ean AS ean,
  s.target_id AS target_id,
  s.condition AS condition,
  s.unit_id AS unit_id,
  s.input_topic AS input_topic,
  s.input_partition AS input_partition,
  s.input_offset AS input_offset,
  s.occurred_at AS occurred_at,
  s.received_at AS received_at,
  s.decided_at AS decided_at,
  s.sent_account AS sent_account,
  s.sent_storefront AS sent_storefront,
  s.sent_offer_id AS sent_offer_id,
  s.sent_call_ids AS sent_call_ids,
  s.sent_attempts AS sent_attempts,
  s.sent_sent_at AS sent_sent_at,
  s.sent_answered_at AS sent_answered_at,
  s.sent_unit_status AS sent_unit_status,
  s.sent_storefronts_moved AS sent_storefronts_moved,
  s.problem_message AS problem_message,
  s.problem_advice AS problem_advice,
  s.problem_http_status AS problem_http_status,
  s.problem_type AS problem_type,
  s.problem_marketplace_message AS problem_marketplace_message,
  s.lookup_call_ids AS lookup_call_ids,
  s.held_by AS held_by,
  s.command_id AS command_id,
  s.command_results AS command_results,
  s.account AS account,
  s.storefront AS storefront,
  s.offer_id AS offer_id,
  s.source AS source,
  s.sequence AS sequence,
  s.attributes AS attributes,
  s.replay_id AS replay_id,
  u.element.field AS field,
  u.element.status AS field_status,
  u.element.requested AS field_requested,
  u.element.before AS field_before,
  u.element.sent AS field_sent,
  u.element.currency AS field_currency,
  u.element.code AS field_code,
  u.element.superseded_by AS field_superseded_by,
  u.element.before_basis AS field_before_basis,
  u.element.before_at AS field_before_at,
  u.element.accepted AS field_accepted,
  u.element.units_moved AS field_units_moved,
  u.element.storefronts_moved AS field_storefronts_moved,
  u.element.rules AS field_rules,
  u.element.winner AS field_winner,
  u.element.conversion.amount AS field_conversion_amount,
  u.element.conversion.currency AS field_conversion_currency,
  u.element.conversion.rate AS field_conversion_rate,
  u.element.conversion.rate_at AS field_conversion_rate_at,
  u.element.conversion.rate_source AS field_conversion_rate_source,
  u.element.conversion.rounding AS field_conversion_rounding
FROM offer_results AS s, UNNEST(s.fields) AS u(element);

CREATE OR REPLACE VIEW offer_outcome_fields AS
SELECT
  s.kafka_topic AS kafka_topic,
  s.kafka_partition AS kafka_partition,
  s.kafka_offset AS kafka_offset,
  s.kafka_timestamp AS kafka_timestamp,
  s.kafka_key AS kafka_key,
  s.result_id AS result_id,
  s.event_id AS event_id,
  s.origin AS origin,
  s.status AS status,
  s.code AS code,
  s.ean AS ean,
  s.target_id AS target_id,
  s.condition AS condition,
  s.unit_id AS unit_id,
  s.input_topic AS input_topic,
  s.input_partition AS input_partition,
  s.input_offset AS input_offset,
  s.occurred_at AS occurred_at,
  s.received_at AS received_at,
  s.decided_at AS decided_at,
  s.sent_account AS sent_account,
  s.sent_storefront AS sent_storefront,
  s.sent_offer_id AS sent_offer_id,
  s.sent_call_ids AS sent_call_ids,
  s.sent_attempts AS sent_attempts,
  s.sent_sent_at AS sent_sent_at,
  s.sent_answered_at AS sent_answered_at,
  s.sent_unit_status AS sent_unit_status,
  s.sent_storefronts_moved AS sent_storefronts_moved,
  s.problem_message AS problem_message,
  s.problem_advice AS problem_advice,
  s.problem_http_status AS problem_http_status,
  s.problem_type AS problem_type,
  s.problem_marketplace_message AS problem_marketplace_message,
  s.lookup_call_ids AS lookup_call_ids,
  s.held_by AS held_by,
  s.command_id AS command_id,
  s.command_results AS command_results,
  s.account AS account,
  s.storefront AS storefront,
  s.offer_id AS offer_id,
  s.source AS source,
  s.sequence AS sequence,
  s.attributes AS attributes,
  s.replay_id AS replay_id,
  u.element.field AS field,
  u.element.status AS field_status,
  u.element.requested AS field_requested,
  u.element.before AS field_before,
  u.element.sent AS field_sent,
  u.element.currency AS field_currency,
  u.element.code AS field_code,
  u.element.superseded_by AS field_superseded_by,
  u.element.before_basis AS field_before_basis,
  u.element.before_at AS field_before_at,
  u.element.accepted AS field_accepted,
  u.element.units_moved AS field_units_moved,
  u.element.storefronts_moved AS field_storefronts_moved,
  u.element.rules AS field_rules,
  u.element.winner AS field_winner,
  u.element.conversion.amount AS field_conversion_amount,
  u.element.conversion.currency AS field_conversion_currency,
  u.element.conversion.rate AS field_conversion_rate,
  u.element.conversion.rate_at AS field_conversion_rate_at,
  u.element.conversion.rate_source AS field_conversion_rate_source,
  u.element.conversion.rounding AS field_conversion_rounding,
  s.is_replay AS is_replay,
  s.is_redrive AS is_redrive
FROM offer_outcomes AS s, UNNEST(s.fields) AS u(element);

CREATE OR REPLACE VIEW offer_result_errors AS
SELECT
  s.kafka_topic AS kafka_topic,
  s.kafka_partition AS kafka_partition,
  s.kafka_offset AS kafka_offset,
  s.kafka_timestamp AS kafka_timestamp,
  s.kafka_key AS kafka_key,
  s.result_id AS result_id,
  s.event_id AS event_id,
  s.origin AS origin,
  s.status AS status,
  s.code AS code,
  s.ean AS ean,
  s.target_id AS target_id,
  s.condition AS condition,
  s.unit_id AS unit_id,
  s.input_topic AS input_topic,
  s.input_partition AS input_partition,
  s.input_offset AS input_offset,
  s.occurred_at AS occurred_at,
  s.received_at AS received_at,
  s.decided_at AS decided_at,
  s.sent_account AS sent_account,
  s.sent_storefront AS sent_storefront,
  s.sent_offer_id AS sent_offer_id,
  s.sent_call_ids AS sent_call_ids,
  s.sent_attempts AS sent_attempts,
  s.sent_sent_at AS sent_sent_at,
  s.sent_answered_at AS sent_answered_at,
  s.sent_unit_status AS sent_unit_status,
  s.sent_storefronts_moved AS sent_storefronts_moved,
  s.problem_message AS problem_message,
  s.problem_advice AS problem_advice,
  s.problem_http_status AS problem_http_status,
  s.problem_type AS problem_type,
  s.problem_marketplace_message AS problem_marketplace_message,
  s.lookup_call_ids AS lookup_call_ids,
  s.held_by AS held_by,
  s.command_id AS command_id,
  s.command_results AS command_results,
  s.account AS account,
  s.storefront AS storefront,
  s.offer_id AS offer_id,
  s.source AS source,
  s.sequence AS sequence,
  s.attributes AS attributes,
  s.replay_id AS replay_id,
  u.element.field AS error_field,
  u.element.message AS error_message
FROM offer_results AS s, UNNEST(s.problem_errors) AS u(element);

CREATE OR REPLACE VIEW offers_not_found_candidates AS
SELECT
  s.kafka_topic AS kafka_topic,
  s.kafka_partition AS kafka_partition,
  s.kafka_offset AS kafka_offset,
  s.kafka_timestamp AS kafka_timestamp,
  s.kafka_key AS kafka_key,
  s.result_id AS result_id,
  s.event_id AS event_id,
  s.code AS code,
  s.message AS message,
  s.advice AS advice,
  s.target_id AS target_id,
  s.account AS account,
  s.storefront AS storefront,
  s.ean AS ean,
  s.condition AS condition,
  s.offer_id AS offer_id,
  s.hint AS hint,
  s.attributes AS attributes,
  s.first_seen_at AS first_seen_at,
  s.last_seen_at AS last_seen_at,
  s.times_seen AS times_seen,
  s.next_check_at AS next_check_at,
  s.unit_id AS unit_id,
  u.element.unit_id AS candidate_unit_id,
  u.element.storefront AS candidate_storefront,
  u.element.condition AS candidate_condition,
  u.element.offer_id AS candidate_offer_id
FROM offers_not_found AS s, UNNEST(s.candidates) AS u(element);

CREATE OR REPLACE VIEW offers_not_found_pending AS
SELECT
  s.kafka_topic AS kafka_topic,
  s.kafka_partition AS kafka_partition,
  s.kafka_offset AS kafka_offset,
  s.kafka_timestamp AS kafka_timestamp,
  s.kafka_key AS kafka_key,
  s.result_id AS result_id,
  s.event_id AS event_id,
  s.code AS code,
  s.message AS message,
  s.advice AS advice,
  s.target_id AS target_id,
  s.account AS account,
  s.storefront AS storefront,
  s.ean AS ean,
  s.condition AS condition,
  s.offer_id AS offer_id,
  s.hint AS hint,
  s.attributes AS attributes,
  s.first_seen_at AS first_seen_at,
  s.last_seen_at AS last_seen_at,
  s.times_seen AS times_seen,
  s.next_check_at AS next_check_at,
  s.unit_id AS unit_id,
  u.element.field AS pending_field,
  u.element.value AS pending_value,
  u.element.currency AS pending_currency,
  u.element.event_time AS pending_event_time,
  u.element.event_id AS pending_event_id
FROM offers_not_found AS s, UNNEST(s.pending) AS u(element);

CREATE OR REPLACE VIEW routing_targets AS
SELECT
  s.kafka_topic AS kafka_topic,
  s.kafka_partition AS kafka_partition,
  s.kafka_offset AS kafka_offset,
  s.kafka_timestamp AS kafka_timestamp,
  s.kafka_key AS kafka_key,
  s.consumer_group AS consumer_group,
  s.accepted_at AS accepted_at,
  u.element.target_id AS target_id,
  u.element.account AS target_account,
  u.element.storefront AS target_storefront
FROM routing AS s, UNNEST(s.targets) AS u(element);

CREATE OR REPLACE VIEW marketplace_call_items AS
SELECT
  s.kafka_topic AS kafka_topic,
  s.kafka_partition AS kafka_partition,
  s.kafka_offset AS kafka_offset,
  s.kafka_timestamp AS kafka_timestamp,
  s.kafka_key AS kafka_key,
  s.call_id AS call_id,
  s.account AS account,
  s.storefront AS storefront,
  s.kind AS kind,
  s.method AS method,
  s.path AS path,
  s.attempt AS attempt,
  s.sent_at AS sent_at,
  s.answered_at AS answered_at,
  s.duration_us AS duration_us,
  s.http_status AS http_status,
  s.outcome AS outcome,
  s.problem_type AS problem_type,
  s.transport_error AS transport_error,
  s.tokens_left AS tokens_left,
  s.request_sha256 AS request_sha256,
  s.response_sha256 AS response_sha256,
  s.event_ids AS event_ids,
  s.event_count AS event_count,
  s.listed AS listed,
  s.request_body AS request_body,
  s.response_body AS response_body,
  s.instance_id AS instance_id,
  s.waited_us AS waited_us,
  s.limit_per_second AS limit_per_second,
  s.request_bytes AS request_bytes,
  s.response_bytes AS response_bytes,
  u.element.unit_id AS item_unit_id,
  u.element.event_ids AS item_event_ids,
  u.element.event_count AS item_event_count,
  u.element.status_code AS item_status_code,
  u.element.code AS item_code
FROM marketplace_calls AS s, UNNEST(s.items) AS u(element);

CREATE OR REPLACE VIEW offer_state_units AS
SELECT
  s.kafka_topic AS kafka_topic,
  s.kafka_partition AS kafka_partition,
  s.kafka_offset AS kafka_offset,
  s.kafka_timestamp AS kafka_timestamp,
  s.kafka_key AS kafka_key,
  s.ean AS ean,
  s.managed AS managed,
  s.unmanaged_at AS unmanaged_at,
  s.unmanaged_offset AS unmanaged_offset,
  s.input_partition AS input_partition,
  s.last_offset AS last_offset,
  s.updated_at AS updated_at,
  u.element.account AS unit_account,
  u.element.storefront AS unit_storefront,
  u.element.condition AS unit_condition,
  u.element.unit_id AS unit_id,
  u.element.offer_id AS unit_offer_id,
  u.element.unit_status AS unit_status,
  u.element.fulfilled_by_marketplace AS unit_fulfilled_by_marketplace,
  u.element.proved_at AS unit_proved_at,
  u.element.fields AS unit_fields,
  u.element.other_eans AS unit_other_eans,
  u.element.owner AS unit_owner,
  u.element.owner_asked_at AS unit_owner_asked_at,
  u.element.claims AS unit_claims,
  u.element.release_at AS unit_release_at,
  u.element.created_at AS unit_created_at
FROM offer_state AS s, UNNEST(s.units) AS u(element);

CREATE OR REPLACE VIEW offer_state_fields AS
SELECT
  s.kafka_topic AS kafka_topic,
  s.kafka_partition AS kafka_partition,
  s.kafka_offset AS kafka_offset,
  s.kafka_timestamp AS kafka_timestamp,
  s.kafka_key AS kafka_key,
  s.ean AS ean,
  s.managed AS managed,
  s.unmanaged_at AS unmanaged_at,
  s.unmanaged_offset AS unmanaged_offset,
  s.input_partition AS input_partition,
  s.last_offset AS last_offset,
  s.updated_at AS updated_at,
  s.unit_account AS unit_account,
  s.unit_storefront AS unit_storefront,
  s.unit_condition AS unit_condition,
  s.unit_id AS unit_id,
  s.unit_offer_id AS unit_offer_id,
  s.unit_status AS unit_status,
  s.unit_fulfilled_by_marketplace AS unit_fulfilled_by_marketplace,
  s.unit_proved_at AS unit_proved_at,
  s.unit_other_eans AS unit_other_eans,
  s.unit_owner AS unit_owner,
  s.unit_owner_asked_at AS unit_owner_asked_at,
  s.unit_claims AS unit_claims,
  s.unit_release_at AS unit_release_at,
  s.unit_created_at AS unit_created_at,
  u.element.field AS field,
  u.element.value AS field_value,
  u.element.currency AS field_currency,
  u.element.basis AS field_basis,
  u.element.event_time AS field_event_time,
  u.element.sequence AS field_sequence,
  u.element.source AS field_source,
  u.element.event_id AS field_event_id,
  u.element.input_offset AS field_input_offset,
  u.element.accepted_at AS field_accepted_at,
  u.element.certain AS field_certain,
  u.element.value_known AS field_value_known,
  u.element.accepted_value AS field_accepted_value,
  u.element.conversion.amount AS field_conversion_amount,
  u.element.conversion.currency AS field_conversion_currency,
  u.element.conversion.rate AS field_conversion_rate,
  u.element.conversion.rate_at AS field_conversion_rate_at,
  u.element.conversion.rate_source AS field_conversion_rate_source,
  u.element.conversion.rounding AS field_conversion_rounding
FROM offer_state_units AS s, UNNEST(s.unit_fields) AS u(element);

CREATE OR REPLACE VIEW offer_state_undone AS
SELECT
  s.kafka_topic AS kafka_topic,
  s.kafka_partition AS kafka_partition,
  s.kafka_offset AS kafka_offset,
  s.kafka_timestamp AS kafka_timestamp,
  s.kafka_key AS kafka_key,
  s.ean AS ean,
  s.managed AS managed,
  s.unmanaged_at AS unmanaged_at,
  s.unmanaged_offset AS unmanaged_offset,
  s.input_partition AS input_partition,
  s.last_offset AS last_offset,
  s.updated_at AS updated_at,
  u.element.result_id AS undone_result_id,
  u.element.event_id AS undone_event_id,
  u.element.target_id AS undone_target_id,
  u.element.condition AS undone_condition,
  u.element.offer_id AS undone_offer_id,
  u.element.unit_id AS undone_unit_id,
  u.element.input_offset AS undone_input_offset,
  u.element.occurred_at AS undone_occurred_at,
  u.element.sequence AS undone_sequence,
  u.element.effective_at AS undone_effective_at,
  u.element.source AS undone_source,
  u.element.received_at AS undone_received_at,
  u.element.since AS undone_since,
  u.element.origin AS undone_origin,
  u.element.fields AS undone_fields,
  u.element.ended AS undone_ended,
  u.element.announced AS undone_announced,
  u.element.held AS undone_held,
  u.element.held_by AS undone_held_by,
  u.element.passed AS undone_passed,
  u.element.command_id AS undone_command_id,
  u.element.times_seen AS undone_times_seen,
  u.element.attributes AS undone_attributes,
  u.element.one_by_one AS undone_one_by_one,
  u.element.proved_again AS undone_proved_again,
  u.element.asked_again AS undone_asked_again,
  u.element.lookup_call_ids AS undone_lookup_call_ids,
  u.element.sent.account AS undone_sent_account,
  u.element.sent.storefront AS undone_sent_storefront,
  u.element.sent.offer_id AS undone_sent_offer_id,
  u.element.sent.call_ids AS undone_sent_call_ids,
  u.element.sent.attempts AS undone_sent_attempts,
  u.element.sent.sent_at AS undone_sent_sent_at,
  u.element.sent.answered_at AS undone_sent_answered_at,
  u.element.sent.unit_status AS undone_sent_unit_status,
  u.element.sent.storefronts_moved AS undone_sent_storefronts_moved,
  u.element.problem.message AS undone_problem_message,
  u.element.problem.advice AS undone_problem_advice,
  u.element.problem.http_status AS undone_problem_http_status,
  u.element.problem.type AS undone_problem_type,
  u.element.problem.marketplace_message AS undone_problem_marketplace_message,
  u.element.problem.errors AS undone_problem_errors,
  u.element.reason AS undone_reason,
  u.element.traceparent AS undone_traceparent,
  u.element.listing.wish AS undone_listing_wish,
  u.element.listing.was_sent AS undone_listing_was_sent
FROM offer_state AS s, UNNEST(s.undone) AS u(element);

CREATE OR REPLACE VIEW offer_state_undone_fields AS
SELECT
  s.kafka_topic AS kafka_topic,
  s.kafka_partition AS kafka_partition,
  s.kafka_offset AS kafka_offset,
  s.kafka_timestamp AS kafka_timestamp,
  s.kafka_key AS kafka_key,
  s.ean AS ean,
  s.managed AS managed,
  s.unmanaged_at AS unmanaged_at,
  s.unmanaged_offset AS unmanaged_offset,
  s.input_partition AS input_partition,
  s.last_offset AS last_offset,
  s.updated_at AS updated_at,
  s.undone_result_id AS undone_result_id,
  s.undone_event_id AS undone_event_id,
  s.undone_target_id AS undone_target_id,
  s.undone_condition AS undone_condition,
  s.undone_offer_id AS undone_offer_id,
  s.undone_unit_id AS undone_unit_id,
  s.undone_input_offset AS undone_input_offset,
  s.undone_occurred_at AS undone_occurred_at,
  s.undone_sequence AS undone_sequence,
  s.undone_effective_at AS undone_effective_at,
  s.undone_source AS undone_source,
  s.undone_received_at AS undone_received_at,
  s.undone_since AS undone_since,
  s.undone_origin AS undone_origin,
  s.undone_announced AS undone_announced,
  s.undone_held_by AS undone_held_by,
  s.undone_passed AS undone_passed,
  s.undone_command_id AS undone_command_id,
  s.undone_times_seen AS undone_times_seen,
  s.undone_attributes AS undone_attributes,
  s.undone_one_by_one AS undone_one_by_one,
  s.undone_proved_again AS undone_proved_again,
  s.undone_asked_again AS undone_asked_again,
  s.undone_lookup_call_ids AS undone_lookup_call_ids,
  s.undone_sent_account AS undone_sent_account,
  s.undone_sent_storefront AS undone_sent_storefront,
  s.undone_sent_offer_id AS undone_sent_offer_id,
  s.undone_sent_call_ids AS undone_sent_call_ids,
  s.undone_sent_attempts AS undone_sent_attempts,
  s.undone_sent_sent_at AS undone_sent_sent_at,
  s.undone_sent_answered_at AS undone_sent_answered_at,
  s.undone_sent_unit_status AS undone_sent_unit_status,
  s.undone_sent_storefronts_moved AS undone_sent_storefronts_moved,
  s.undone_problem_message AS undone_problem_message,
  s.undone_problem_advice AS undone_problem_advice,
  s.undone_problem_http_status AS undone_problem_http_status,
  s.undone_problem_type AS undone_problem_type,
  s.undone_problem_marketplace_message AS undone_problem_marketplace_message,
  s.undone_reason AS undone_reason,
  s.undone_traceparent AS undone_traceparent,
  s.undone_listing_wish AS undone_listing_wish,
  s.undone_listing_was_sent AS undone_listing_was_sent,
  u.element.field AS field,
  u.element.value AS field_value,
  u.element.currency AS field_currency,
  u.element.conversion.amount AS field_conversion_amount,
  u.element.conversion.currency AS field_conversion_currency,
  u.element.conversion.rate AS field_conversion_rate,
  u.element.conversion.rate_at AS field_conversion_rate_at,
  u.element.conversion.rate_source AS field_conversion_rate_source,
  u.element.conversion.rounding AS field_conversion_rounding
FROM offer_state_undone AS s, UNNEST(s.undone_fields) AS u(element);

CREATE OR REPLACE VIEW shipment_items AS
SELECT
  s.kafka_topic AS kafka_topic,
  s.kafka_partition AS kafka_partition,
  s.kafka_offset AS kafka_offset,
  s.kafka_timestamp AS kafka_timestamp,
  s.kafka_key AS kafka_key,
  s.event_id AS event_id,
  s.occurred_at AS occurred_at,
  s.sequence AS sequence,
  s.source AS source,
  s.account AS account,
  s.order_id AS order_id,
  s.order_unit_ids AS order_unit_ids,
  s.attributes AS attributes,
  u.element.offer_id AS item_offer_id,
  u.element.ean AS item_ean,
  u.element.quantity AS item_quantity
FROM shipments AS s, UNNEST(s.items) AS u(element);

CREATE OR REPLACE VIEW shipment_parcels AS
SELECT
  s.kafka_topic AS kafka_topic,
  s.kafka_partition AS kafka_partition,
  s.kafka_offset AS kafka_offset,
  s.kafka_timestamp AS kafka_timestamp,
  s.kafka_key AS kafka_key,
  s.event_id AS event_id,
  s.occurred_at AS occurred_at,
  s.sequence AS sequence,
  s.source AS source,
  s.account AS account,
  s.order_id AS order_id,
  s.order_unit_ids AS order_unit_ids,
  s.attributes AS attributes,
  u.element.carrier AS parcel_carrier,
  u.element.tracking_number AS parcel_tracking_number,
  u.element.no_tracking AS parcel_no_tracking
FROM shipments AS s, UNNEST(s.parcels) AS u(element);

CREATE OR REPLACE VIEW shipment_result_errors AS
SELECT
  s.kafka_topic AS kafka_topic,
  s.kafka_partition AS kafka_partition,
  s.kafka_offset AS kafka_offset,
  s.kafka_timestamp AS kafka_timestamp,
  s.kafka_key AS kafka_key,
  s.result_id AS result_id,
  s.event_id AS event_id,
  s.status AS status,
  s.code AS code,
  s.message AS message,
  s.advice AS advice,
  s.account AS account,
  s.storefront AS storefront,
  s.order_id AS order_id,
  s.order_unit_id AS order_unit_id,
  s.carrier_requested AS carrier_requested,
  s.carrier_code AS carrier_code,
  s.tracking_numbers AS tracking_numbers,
  s.units_open AS units_open,
  s.call_ids AS call_ids,
  s.attempts AS attempts,
  s.marketplace_http_status AS marketplace_http_status,
  s.marketplace_type AS marketplace_type,
  s.marketplace_message AS marketplace_message,
  s.input_topic AS input_topic,
  s.input_partition AS input_partition,
  s.input_offset AS input_offset,
  s.occurred_at AS occurred_at,
  s.received_at AS received_at,
  s.decided_at AS decided_at,
  s.answered_at AS answered_at,
  u.element.field AS error_field,
  u.element.message AS error_message
FROM shipment_results AS s, UNNEST(s.marketplace_errors) AS u(element);

CREATE OR REPLACE VIEW order_units AS
SELECT
  s.kafka_topic AS kafka_topic,
  s.kafka_partition AS kafka_partition,
  s.kafka_offset AS kafka_offset,
  s.kafka_timestamp AS kafka_timestamp,
  s.kafka_key AS kafka_key,
  s.account AS account,
  s.order_id AS order_id,
  s.storefront AS storefront,
  s.created_at AS created_at,
  s.changed_at AS changed_at,
  s.status AS status,
  s.units_open AS units_open,
  s.open_since AS open_since,
  s.complete AS complete,
  s.payout_waits AS payout_waits,
  s.fulfillment_type AS fulfillment_type,
  s.is_marketplace_deemed_supplier AS is_marketplace_deemed_supplier,
  s.notes AS notes,
  s.observed_at AS observed_at,
  s.content_sha256 AS content_sha256,
  u.element.order_unit_id AS order_unit_id,
  u.element.status AS unit_status,
  u.element.status_raw AS unit_status_raw,
  u.element.ean AS unit_ean,
  u.element.offer_id AS unit_offer_id,
  u.element.condition AS unit_condition,
  u.element.price AS unit_price,
  u.element.revenue_gross AS unit_revenue_gross,
  u.element.revenue_net AS unit_revenue_net,
  u.element.shipping_rate AS unit_shipping_rate,
  u.element.vat AS unit_vat,
  u.element.currency AS unit_currency,
  u.element.handling_due_at AS unit_handling_due_at,
  u.element.deliver_by_min AS unit_deliver_by_min,
  u.element.deliver_by_max AS unit_deliver_by_max,
  u.element.cancel_reason AS unit_cancel_reason,
  u.element.delivery_time_min_days AS unit_delivery_time_min_days,
  u.element.delivery_time_max_days AS unit_delivery_time_max_days,
  u.element.discounts AS unit_discounts,
  u.element.eco_fee AS unit_eco_fee,
  u.element.packaging_fee AS unit_packaging_fee,
  u.element.is_marketplace_deemed_supplier AS unit_is_marketplace_deemed_supplier,
  u.element.created_at AS unit_created_at,
  u.element.changed_at AS unit_changed_at,
  u.element.sent_at AS unit_sent_at
FROM orders AS s, UNNEST(s.units) AS u(element);

CREATE OR REPLACE VIEW order_unit_discounts AS
SELECT
  s.kafka_topic AS kafka_topic,
  s.kafka_partition AS kafka_partition,
  s.kafka_offset AS kafka_offset,
  s.kafka_timestamp AS kafka_timestamp,
  s.kafka_key AS kafka_key,
  s.account AS account,
  s.order_id AS order_id,
  s.storefront AS storefront,
  s.created_at AS created_at,
  s.changed_at AS changed_at,
  s.status AS status,
  s.units_open AS units_open,
  s.open_since AS open_since,
  s.complete AS complete,
  s.payout_waits AS payout_waits,
  s.fulfillment_type AS fulfillment_type,
  s.is_marketplace_deemed_supplier AS is_marketplace_deemed_supplier,
  s.notes AS notes,
  s.observed_at AS observed_at,
  s.content_sha256 AS content_sha256,
  s.order_unit_id AS order_unit_id,
  s.unit_status AS unit_status,
  s.unit_status_raw AS unit_status_raw,
  s.unit_ean AS unit_ean,
  s.unit_offer_id AS unit_offer_id,
  s.unit_condition AS unit_condition,
  s.unit_price AS unit_price,
  s.unit_revenue_gross AS unit_revenue_gross,
  s.unit_revenue_net AS unit_revenue_net,
  s.unit_shipping_rate AS unit_shipping_rate,
  s.unit_vat AS unit_vat,
  s.unit_currency AS unit_currency,
  s.unit_handling_due_at AS unit_handling_due_at,
  s.unit_deliver_by_min AS unit_deliver_by_min,
  s.unit_deliver_by_max AS unit_deliver_by_max,
  s.unit_cancel_reason AS unit_cancel_reason,
  s.unit_delivery_time_min_days AS unit_delivery_time_min_days,
  s.unit_delivery_time_max_days AS unit_delivery_time_max_days,
  s.unit_eco_fee AS unit_eco_fee,
  s.unit_packaging_fee AS unit_packaging_fee,
  s.unit_is_marketplace_deemed_supplier AS unit_is_marketplace_deemed_supplier,
  s.unit_created_at AS unit_created_at,
  s.unit_changed_at AS unit_changed_at,
  s.unit_sent_at AS unit_sent_at,
  u.element.usage_type AS discount_usage_type,
  u.element.amount AS discount_amount
FROM order_units AS s, UNNEST(s.unit_discounts) AS u(element);

CREATE OR REPLACE VIEW order_change_units AS
SELECT
  s.kafka_topic AS kafka_topic,
  s.kafka_partition AS kafka_partition,
  s.kafka_offset AS kafka_offset,
  s.kafka_timestamp AS kafka_timestamp,
  s.kafka_key AS kafka_key,
  s.account AS account,
  s.order_id AS order_id,
  s.storefront AS storefront,
  s.created_at AS created_at,
  s.changed_at AS changed_at,
  s.status AS status,
  s.units_open AS units_open,
  s.open_since AS open_since,
  s.complete AS complete,
  s.payout_waits AS payout_waits,
  s.fulfillment_type AS fulfillment_type,
  s.is_marketplace_deemed_supplier AS is_marketplace_deemed_supplier,
  s.notes AS notes,
  s.observed_at AS observed_at,
  s.content_sha256 AS content_sha256,
  u.element.order_unit_id AS order_unit_id,
  u.element.status AS unit_status,
  u.element.status_raw AS unit_status_raw,
  u.element.ean AS unit_ean,
  u.element.offer_id AS unit_offer_id,
  u.element.condition AS unit_condition,
  u.element.price AS unit_price,
  u.element.revenue_gross AS unit_revenue_gross,
  u.element.revenue_net AS unit_revenue_net,
  u.element.shipping_rate AS unit_shipping_rate,
  u.element.vat AS unit_vat,
  u.element.currency AS unit_currency,
  u.element.handling_due_at AS unit_handling_due_at,
  u.element.deliver_by_min AS unit_deliver_by_min,
  u.element.deliver_by_max AS unit_deliver_by_max,
  u.element.cancel_reason AS unit_cancel_reason,
  u.element.delivery_time_min_days AS unit_delivery_time_min_days,
  u.element.delivery_time_max_days AS unit_delivery_time_max_days,
  u.element.discounts AS unit_discounts,
  u.element.eco_fee AS unit_eco_fee,
  u.element.packaging_fee AS unit_packaging_fee,
  u.element.is_marketplace_deemed_supplier AS unit_is_marketplace_deemed_supplier,
  u.element.created_at AS unit_created_at,
  u.element.changed_at AS unit_changed_at,
  u.element.sent_at AS unit_sent_at
FROM order_changes AS s, UNNEST(s.units) AS u(element);

CREATE OR REPLACE VIEW return_units AS
SELECT
  s.kafka_topic AS kafka_topic,
  s.kafka_partition AS kafka_partition,
  s.kafka_offset AS kafka_offset,
  s.kafka_timestamp AS kafka_timestamp,
  s.kafka_key AS kafka_key,
  s.account AS account,
  s.return_id AS return_id,
  s.storefront AS storefront,
  s.status_raw AS status_raw,
  s.order_unit_ids AS order_unit_ids,
  s.reason AS reason,
  s.notes AS notes,
  s.tracking_provider AS tracking_provider,
  s.created_at AS created_at,
  s.changed_at AS changed_at,
  s.observed_at AS observed_at,
  u.element.return_unit_id AS return_unit_id,
  u.element.order_unit_id AS order_unit_id,
  u.element.status_raw AS unit_status_raw,
  u.element.reason AS unit_reason,
  u.element.has_note AS unit_has_note
FROM returns AS s, UNNEST(s.units) AS u(element);

CREATE OR REPLACE VIEW sales_order_units AS
SELECT
  s.kafka_topic AS kafka_topic,
  s.kafka_partition AS kafka_partition,
  s.kafka_offset AS kafka_offset,
  s.kafka_timestamp AS kafka_timestamp,
  s.kafka_key AS kafka_key,
  s.command_id AS command_id,
  s.account AS account,
  s.order_id AS order_id,
  s.storefront AS storefront,
  s.customer_number AS customer_number,
  s.created_at AS created_at,
  s.requested_at AS requested_at,
  u.element.order_unit_id AS order_unit_id,
  u.element.status AS unit_status,
  u.element.status_raw AS unit_status_raw,
  u.element.ean AS unit_ean,
  u.element.offer_id AS unit_offer_id,
  u.element.condition AS unit_condition,
  u.element.price AS unit_price,
  u.element.revenue_gross AS unit_revenue_gross,
  u.element.revenue_net AS unit_revenue_net,
  u.element.shipping_rate AS unit_shipping_rate,
  u.element.vat AS unit_vat,
  u.element.currency AS unit_currency,
  u.element.handling_due_at AS unit_handling_due_at,
  u.element.deliver_by_min AS unit_deliver_by_min,
  u.element.deliver_by_max AS unit_deliver_by_max,
  u.element.cancel_reason AS unit_cancel_reason,
  u.element.delivery_time_min_days AS unit_delivery_time_min_days,
  u.element.delivery_time_max_days AS unit_delivery_time_max_days,
  u.element.discounts AS unit_discounts,
  u.element.eco_fee AS unit_eco_fee,
  u.element.packaging_fee AS unit_packaging_fee,
  u.element.is_marketplace_deemed_supplier AS unit_is_marketplace_deemed_supplier,
  u.element.created_at AS unit_created_at,
  u.element.changed_at AS unit_changed_at,
  u.element.sent_at AS unit_sent_at
FROM sales_orders AS s, UNNEST(s.units) AS u(element);

-- The event that counts in the end, of each event and field that a newer event replaced: the last of its chain, which
-- was not replaced itself. hops: how long the chain is. An event of another EAN of the product has no row here.
CREATE OR REPLACE VIEW offer_winners AS
WITH RECURSIVE chains AS (
  SELECT f.result_id AS result_id, f.field AS field, f.field_superseded_by AS winner, 1 AS hops
  FROM offer_outcome_fields AS f
  WHERE f.field_superseded_by IS NOT NULL
  UNION ALL
  SELECT c.result_id AS result_id, c.field AS field, f.field_superseded_by AS winner, c.hops + 1 AS hops
  FROM chains AS c
  JOIN offer_outcome_fields AS f ON f.result_id = c.winner AND f.field = c.field
  WHERE f.field_superseded_by IS NOT NULL AND c.hops < 1000
)
SELECT c.result_id AS result_id, c.field AS field, c.winner AS winner, c.hops AS hops
FROM chains AS c
QUALIFY ROW_NUMBER() OVER (PARTITION BY c.result_id, c.field ORDER BY c.hops DESC) = 1;

-- Account and storefront of each target, as the connector's groups have accepted them.
CREATE OR REPLACE VIEW targets AS
SELECT DISTINCT t.target_id AS target_id, t.target_account AS account, t.target_storefront AS storefront
FROM routing_targets AS t;
