-- Flat views of the topics for Snowflake. Printed by `connector contracts export --format sql`: do not edit.
-- Every time is UTC without a zone, every amount a decimal. docs/analytics.md says how the tables are filled and read.

CREATE TABLE IF NOT EXISTS raw_offer_changes (RECORD_METADATA VARIANT, RECORD_CONTENT VARIANT);

CREATE TABLE IF NOT EXISTS raw_offer_results (RECORD_METADATA VARIANT, RECORD_CONTENT VARIANT);

CREATE TABLE IF NOT EXISTS raw_offers_not_found (RECORD_METADATA VARIANT, RECORD_CONTENT VARIANT);

CREATE TABLE IF NOT EXISTS raw_marketplace_calls (RECORD_METADATA VARIANT, RECORD_CONTENT VARIANT);

CREATE TABLE IF NOT EXISTS raw_offer_state (RECORD_METADATA VARIANT, RECORD_CONTENT VARIANT);

CREATE TABLE IF NOT EXISTS raw_routing (RECORD_METADATA VARIANT, RECORD_CONTENT VARIANT);

CREATE TABLE IF NOT EXISTS raw_replays (RECORD_METADATA VARIANT, RECORD_CONTENT VARIANT);

CREATE TABLE IF NOT EXISTS raw_shipments (RECORD_METADATA VARIANT, RECORD_CONTENT VARIANT);

CREATE TABLE IF NOT EXISTS raw_shipment_results (RECORD_METADATA VARIANT, RECORD_CONTENT VARIANT);

CREATE TABLE IF NOT EXISTS raw_orders (RECORD_METADATA VARIANT, RECORD_CONTENT VARIANT);

CREATE TABLE IF NOT EXISTS raw_order_changes (RECORD_METADATA VARIANT, RECORD_CONTENT VARIANT);

CREATE TABLE IF NOT EXISTS raw_returns (RECORD_METADATA VARIANT, RECORD_CONTENT VARIANT);

CREATE TABLE IF NOT EXISTS raw_sales_orders (RECORD_METADATA VARIANT, RECORD_CONTENT VARIANT);

CREATE TABLE IF NOT EXISTS raw_units (RECORD_METADATA VARIANT, RECORD_CONTENT VARIANT);

CREATE TABLE IF NOT EXISTS raw_drift (RECORD_METADATA VARIANT, RECORD_CONTENT VARIANT);

CREATE TABLE IF NOT EXISTS raw_dead_letters (RECORD_METADATA VARIANT, RECORD_CONTENT VARIANT);

CREATE OR REPLACE VIEW offer_changes AS
SELECT
  r.RECORD_METADATA:topic::VARCHAR AS kafka_topic,
  r.RECORD_METADATA:partition::NUMBER(10, 0) AS kafka_partition,
  r.RECORD_METADATA:offset::NUMBER(19, 0) AS kafka_offset,
  TO_TIMESTAMP_NTZ(r.RECORD_METADATA:CreateTime::NUMBER(19, 0), 3) AS kafka_timestamp,
  r.RECORD_METADATA:key::VARCHAR AS kafka_key,
  r.RECORD_CONTENT:"event_id"::VARCHAR AS event_id,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"occurred_at"::NUMBER(19, 0), 6) AS occurred_at,
  r.RECORD_CONTENT:"sequence"::NUMBER(19, 0) AS sequence,
  r.RECORD_CONTENT:"source"::VARCHAR AS source,
  r.RECORD_CONTENT:"target_id"::VARCHAR AS target_id,
  r.RECORD_CONTENT:"condition"::VARCHAR AS condition,
  r.RECORD_CONTENT:"ean"::VARCHAR AS ean,
  r.RECORD_CONTENT:"offer_id"::VARCHAR AS offer_id,
  r.RECORD_CONTENT:"unit_id"::NUMBER(19, 0) AS unit_id,
  r.RECORD_CONTENT:"price"."amount"::NUMBER(18, 4) AS price_amount,
  r.RECORD_CONTENT:"price"."currency"::VARCHAR AS price_currency,
  r.RECORD_CONTENT:"stock"::NUMBER(10, 0) AS stock,
  r.RECORD_CONTENT:"location"::VARCHAR AS location,
  r.RECORD_CONTENT:"handling_time_days"::NUMBER(10, 0) AS handling_time_days,
  r.RECORD_CONTENT:"attributes"::OBJECT AS attributes,
  r.RECORD_CONTENT:"listing"::VARCHAR AS listing
FROM raw_offer_changes AS r
WHERE r.RECORD_CONTENT:event_id IS NOT NULL;

CREATE OR REPLACE VIEW offer_results AS
SELECT
  r.RECORD_METADATA:topic::VARCHAR AS kafka_topic,
  r.RECORD_METADATA:partition::NUMBER(10, 0) AS kafka_partition,
  r.RECORD_METADATA:offset::NUMBER(19, 0) AS kafka_offset,
  TO_TIMESTAMP_NTZ(r.RECORD_METADATA:CreateTime::NUMBER(19, 0), 3) AS kafka_timestamp,
  r.RECORD_METADATA:key::VARCHAR AS kafka_key,
  r.RECORD_CONTENT:"result_id"::VARCHAR AS result_id,
  r.RECORD_CONTENT:"event_id"::VARCHAR AS event_id,
  r.RECORD_CONTENT:"origin"::VARCHAR AS origin,
  r.RECORD_CONTENT:"status"::VARCHAR AS status,
  r.RECORD_CONTENT:"code"::VARCHAR AS code,
  r.RECORD_CONTENT:"ean"::VARCHAR AS ean,
  r.RECORD_CONTENT:"target_id"::VARCHAR AS target_id,
  r.RECORD_CONTENT:"condition"::VARCHAR AS condition,
  r.RECORD_CONTENT:"unit_id"::NUMBER(19, 0) AS unit_id,
  r.RECORD_CONTENT:"fields"::ARRAY AS fields,
  r.RECORD_CONTENT:"input_topic"::VARCHAR AS input_topic,
  r.RECORD_CONTENT:"input_partition"::NUMBER(10, 0) AS input_partition,
  r.RECORD_CONTENT:"input_offset"::NUMBER(19, 0) AS input_offset,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"occurred_at"::NUMBER(19, 0), 6) AS occurred_at,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"received_at"::NUMBER(19, 0), 6) AS received_at,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"decided_at"::NUMBER(19, 0), 6) AS decided_at,
  r.RECORD_CONTENT:"sent"."account"::VARCHAR AS sent_account,
  r.RECORD_CONTENT:"sent"."storefront"::VARCHAR AS sent_storefront,
  r.RECORD_CONTENT:"sent"."offer_id"::VARCHAR AS sent_offer_id,
  r.RECORD_CONTENT:"sent"."call_ids"::ARRAY AS sent_call_ids,
  r.RECORD_CONTENT:"sent"."attempts"::NUMBER(10, 0) AS sent_attempts,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"sent"."sent_at"::NUMBER(19, 0), 6) AS sent_sent_at,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"sent"."answered_at"::NUMBER(19, 0), 6) AS sent_answered_at,
  r.RECORD_CONTENT:"sent"."unit_status"::VARCHAR AS sent_unit_status,
  r.RECORD_CONTENT:"sent"."storefronts_moved"::ARRAY AS sent_storefronts_moved,
  r.RECORD_CONTENT:"problem"."message"::VARCHAR AS problem_message,
  r.RECORD_CONTENT:"problem"."advice"::VARCHAR AS problem_advice,
  r.RECORD_CONTENT:"problem"."http_status"::NUMBER(10, 0) AS problem_http_status,
  r.RECORD_CONTENT:"problem"."type"::VARCHAR AS problem_type,
  r.RECORD_CONTENT:"problem"."marketplace_message"::VARCHAR AS problem_marketplace_message,
  r.RECORD_CONTENT:"problem"."errors"::ARRAY AS problem_errors,
  r.RECORD_CONTENT:"lookup_call_ids"::ARRAY AS lookup_call_ids,
  r.RECORD_CONTENT:"held_by"::VARCHAR AS held_by,
  r.RECORD_CONTENT:"command_id"::VARCHAR AS command_id,
  r.RECORD_CONTENT:"command_results"::NUMBER(10, 0) AS command_results,
  r.RECORD_CONTENT:"account"::VARCHAR AS account,
  r.RECORD_CONTENT:"storefront"::VARCHAR AS storefront,
  r.RECORD_CONTENT:"offer_id"::VARCHAR AS offer_id,
  r.RECORD_CONTENT:"source"::VARCHAR AS source,
  r.RECORD_CONTENT:"sequence"::NUMBER(19, 0) AS sequence,
  r.RECORD_CONTENT:"attributes"::OBJECT AS attributes,
  r.RECORD_CONTENT:"replay_id"::VARCHAR AS replay_id
FROM raw_offer_results AS r
WHERE r.RECORD_CONTENT:result_id IS NOT NULL;

CREATE OR REPLACE VIEW offers_not_found AS
SELECT
  r.RECORD_METADATA:topic::VARCHAR AS kafka_topic,
  r.RECORD_METADATA:partition::NUMBER(10, 0) AS kafka_partition,
  r.RECORD_METADATA:offset::NUMBER(19, 0) AS kafka_offset,
  TO_TIMESTAMP_NTZ(r.RECORD_METADATA:CreateTime::NUMBER(19, 0), 3) AS kafka_timestamp,
  r.RECORD_METADATA:key::VARCHAR AS kafka_key,
  r.RECORD_CONTENT:"result_id"::VARCHAR AS result_id,
  r.RECORD_CONTENT:"event_id"::VARCHAR AS event_id,
  r.RECORD_CONTENT:"code"::VARCHAR AS code,
  r.RECORD_CONTENT:"message"::VARCHAR AS message,
  r.RECORD_CONTENT:"advice"::VARCHAR AS advice,
  r.RECORD_CONTENT:"target_id"::VARCHAR AS target_id,
  r.RECORD_CONTENT:"account"::VARCHAR AS account,
  r.RECORD_CONTENT:"storefront"::VARCHAR AS storefront,
  r.RECORD_CONTENT:"ean"::VARCHAR AS ean,
  r.RECORD_CONTENT:"condition"::VARCHAR AS condition,
  r.RECORD_CONTENT:"offer_id"::VARCHAR AS offer_id,
  r.RECORD_CONTENT:"hint"::VARCHAR AS hint,
  r.RECORD_CONTENT:"candidates"::ARRAY AS candidates,
  r.RECORD_CONTENT:"attributes"::OBJECT AS attributes,
  r.RECORD_CONTENT:"pending"::ARRAY AS pending,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"first_seen_at"::NUMBER(19, 0), 6) AS first_seen_at,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"last_seen_at"::NUMBER(19, 0), 6) AS last_seen_at,
  r.RECORD_CONTENT:"times_seen"::NUMBER(19, 0) AS times_seen,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"next_check_at"::NUMBER(19, 0), 6) AS next_check_at,
  r.RECORD_CONTENT:"unit_id"::NUMBER(19, 0) AS unit_id
FROM raw_offers_not_found AS r
QUALIFY ROW_NUMBER() OVER (PARTITION BY kafka_key ORDER BY kafka_offset DESC) = 1
  AND r.RECORD_CONTENT:result_id IS NOT NULL;

CREATE OR REPLACE VIEW marketplace_calls AS
SELECT
  r.RECORD_METADATA:topic::VARCHAR AS kafka_topic,
  r.RECORD_METADATA:partition::NUMBER(10, 0) AS kafka_partition,
  r.RECORD_METADATA:offset::NUMBER(19, 0) AS kafka_offset,
  TO_TIMESTAMP_NTZ(r.RECORD_METADATA:CreateTime::NUMBER(19, 0), 3) AS kafka_timestamp,
  r.RECORD_METADATA:key::VARCHAR AS kafka_key,
  r.RECORD_CONTENT:"call_id"::VARCHAR AS call_id,
  r.RECORD_CONTENT:"account"::VARCHAR AS account,
  r.RECORD_CONTENT:"storefront"::VARCHAR AS storefront,
  r.RECORD_CONTENT:"kind"::VARCHAR AS kind,
  r.RECORD_CONTENT:"method"::VARCHAR AS method,
  r.RECORD_CONTENT:"path"::VARCHAR AS path,
  r.RECORD_CONTENT:"attempt"::NUMBER(10, 0) AS attempt,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"sent_at"::NUMBER(19, 0), 6) AS sent_at,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"answered_at"::NUMBER(19, 0), 6) AS answered_at,
  r.RECORD_CONTENT:"duration_us"::NUMBER(19, 0) AS duration_us,
  r.RECORD_CONTENT:"http_status"::NUMBER(10, 0) AS http_status,
  r.RECORD_CONTENT:"outcome"::VARCHAR AS outcome,
  r.RECORD_CONTENT:"problem_type"::VARCHAR AS problem_type,
  r.RECORD_CONTENT:"transport_error"::VARCHAR AS transport_error,
  r.RECORD_CONTENT:"tokens_left"::NUMBER(10, 0) AS tokens_left,
  r.RECORD_CONTENT:"request_sha256"::VARCHAR AS request_sha256,
  r.RECORD_CONTENT:"response_sha256"::VARCHAR AS response_sha256,
  r.RECORD_CONTENT:"items"::ARRAY AS items,
  r.RECORD_CONTENT:"event_ids"::ARRAY AS event_ids,
  r.RECORD_CONTENT:"event_count"::NUMBER(10, 0) AS event_count,
  r.RECORD_CONTENT:"listed"::NUMBER(10, 0) AS listed,
  r.RECORD_CONTENT:"request_body"::VARCHAR AS request_body,
  r.RECORD_CONTENT:"response_body"::VARCHAR AS response_body,
  r.RECORD_CONTENT:"instance_id"::VARCHAR AS instance_id,
  r.RECORD_CONTENT:"waited_us"::NUMBER(19, 0) AS waited_us,
  r.RECORD_CONTENT:"limit_per_second"::NUMBER(18, 4) AS limit_per_second,
  r.RECORD_CONTENT:"request_bytes"::NUMBER(10, 0) AS request_bytes,
  r.RECORD_CONTENT:"response_bytes"::NUMBER(10, 0) AS response_bytes
FROM raw_marketplace_calls AS r
WHERE r.RECORD_CONTENT:call_id IS NOT NULL
QUALIFY ROW_NUMBER() OVER (PARTITION BY call_id ORDER BY kafka_offset DESC) = 1;

CREATE OR REPLACE VIEW offer_state AS
SELECT
  r.RECORD_METADATA:topic::VARCHAR AS kafka_topic,
  r.RECORD_METADATA:partition::NUMBER(10, 0) AS kafka_partition,
  r.RECORD_METADATA:offset::NUMBER(19, 0) AS kafka_offset,
  TO_TIMESTAMP_NTZ(r.RECORD_METADATA:CreateTime::NUMBER(19, 0), 3) AS kafka_timestamp,
  r.RECORD_METADATA:key::VARCHAR AS kafka_key,
  r.RECORD_CONTENT:"ean"::VARCHAR AS ean,
  r.RECORD_CONTENT:"managed"::BOOLEAN AS managed,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"unmanaged_at"::NUMBER(19, 0), 6) AS unmanaged_at,
  r.RECORD_CONTENT:"unmanaged_offset"::NUMBER(19, 0) AS unmanaged_offset,
  r.RECORD_CONTENT:"units"::ARRAY AS units,
  r.RECORD_CONTENT:"misses"::ARRAY AS misses,
  r.RECORD_CONTENT:"locations"::ARRAY AS locations,
  r.RECORD_CONTENT:"locations_before"::ARRAY AS locations_before,
  r.RECORD_CONTENT:"marks"::ARRAY AS marks,
  r.RECORD_CONTENT:"undone"::ARRAY AS undone,
  r.RECORD_CONTENT:"commands"::ARRAY AS commands,
  r.RECORD_CONTENT:"input_partition"::NUMBER(10, 0) AS input_partition,
  r.RECORD_CONTENT:"last_offset"::NUMBER(19, 0) AS last_offset,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"updated_at"::NUMBER(19, 0), 6) AS updated_at
FROM raw_offer_state AS r
QUALIFY ROW_NUMBER() OVER (PARTITION BY kafka_key ORDER BY kafka_offset DESC) = 1
  AND r.RECORD_CONTENT:ean IS NOT NULL;

CREATE OR REPLACE VIEW routing AS
SELECT
  r.RECORD_METADATA:topic::VARCHAR AS kafka_topic,
  r.RECORD_METADATA:partition::NUMBER(10, 0) AS kafka_partition,
  r.RECORD_METADATA:offset::NUMBER(19, 0) AS kafka_offset,
  TO_TIMESTAMP_NTZ(r.RECORD_METADATA:CreateTime::NUMBER(19, 0), 3) AS kafka_timestamp,
  r.RECORD_METADATA:key::VARCHAR AS kafka_key,
  r.RECORD_CONTENT:"consumer_group"::VARCHAR AS consumer_group,
  r.RECORD_CONTENT:"targets"::ARRAY AS targets,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"accepted_at"::NUMBER(19, 0), 6) AS accepted_at
FROM raw_routing AS r
QUALIFY ROW_NUMBER() OVER (PARTITION BY kafka_key ORDER BY kafka_offset DESC) = 1
  AND r.RECORD_CONTENT:consumer_group IS NOT NULL;

CREATE OR REPLACE VIEW replays AS
SELECT
  r.RECORD_METADATA:topic::VARCHAR AS kafka_topic,
  r.RECORD_METADATA:partition::NUMBER(10, 0) AS kafka_partition,
  r.RECORD_METADATA:offset::NUMBER(19, 0) AS kafka_offset,
  TO_TIMESTAMP_NTZ(r.RECORD_METADATA:CreateTime::NUMBER(19, 0), 3) AS kafka_timestamp,
  r.RECORD_METADATA:key::VARCHAR AS kafka_key,
  r.RECORD_CONTENT:"replay_id"::VARCHAR AS replay_id,
  r.RECORD_CONTENT:"input_topic"::VARCHAR AS input_topic,
  r.RECORD_CONTENT:"partition"::NUMBER(10, 0) AS partition,
  r.RECORD_CONTENT:"start"::NUMBER(19, 0) AS "start",
  r.RECORD_CONTENT:"end"::NUMBER(19, 0) AS "end",
  r.RECORD_CONTENT:"position"::NUMBER(19, 0) AS "position",
  r.RECORD_CONTENT:"delivered"::NUMBER(19, 0) AS delivered,
  r.RECORD_CONTENT:"state"::VARCHAR AS state,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"reported_at"::NUMBER(19, 0), 6) AS reported_at,
  r.RECORD_CONTENT:"gone"::NUMBER(19, 0) AS gone
FROM raw_replays AS r
QUALIFY ROW_NUMBER() OVER (PARTITION BY kafka_key ORDER BY kafka_offset DESC) = 1
  AND r.RECORD_CONTENT:replay_id IS NOT NULL;

CREATE OR REPLACE VIEW shipments AS
SELECT
  r.RECORD_METADATA:topic::VARCHAR AS kafka_topic,
  r.RECORD_METADATA:partition::NUMBER(10, 0) AS kafka_partition,
  r.RECORD_METADATA:offset::NUMBER(19, 0) AS kafka_offset,
  TO_TIMESTAMP_NTZ(r.RECORD_METADATA:CreateTime::NUMBER(19, 0), 3) AS kafka_timestamp,
  r.RECORD_METADATA:key::VARCHAR AS kafka_key,
  r.RECORD_CONTENT:"event_id"::VARCHAR AS event_id,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"occurred_at"::NUMBER(19, 0), 6) AS occurred_at,
  r.RECORD_CONTENT:"sequence"::NUMBER(19, 0) AS sequence,
  r.RECORD_CONTENT:"source"::VARCHAR AS source,
  r.RECORD_CONTENT:"account"::VARCHAR AS account,
  r.RECORD_CONTENT:"order_id"::VARCHAR AS order_id,
  r.RECORD_CONTENT:"order_unit_ids"::ARRAY AS order_unit_ids,
  r.RECORD_CONTENT:"items"::ARRAY AS items,
  r.RECORD_CONTENT:"parcels"::ARRAY AS parcels,
  r.RECORD_CONTENT:"attributes"::OBJECT AS attributes
FROM raw_shipments AS r
WHERE r.RECORD_CONTENT:event_id IS NOT NULL;

CREATE OR REPLACE VIEW shipment_results AS
SELECT
  r.RECORD_METADATA:topic::VARCHAR AS kafka_topic,
  r.RECORD_METADATA:partition::NUMBER(10, 0) AS kafka_partition,
  r.RECORD_METADATA:offset::NUMBER(19, 0) AS kafka_offset,
  TO_TIMESTAMP_NTZ(r.RECORD_METADATA:CreateTime::NUMBER(19, 0), 3) AS kafka_timestamp,
  r.RECORD_METADATA:key::VARCHAR AS kafka_key,
  r.RECORD_CONTENT:"result_id"::VARCHAR AS result_id,
  r.RECORD_CONTENT:"event_id"::VARCHAR AS event_id,
  r.RECORD_CONTENT:"status"::VARCHAR AS status,
  r.RECORD_CONTENT:"code"::VARCHAR AS code,
  r.RECORD_CONTENT:"message"::VARCHAR AS message,
  r.RECORD_CONTENT:"advice"::VARCHAR AS advice,
  r.RECORD_CONTENT:"account"::VARCHAR AS account,
  r.RECORD_CONTENT:"storefront"::VARCHAR AS storefront,
  r.RECORD_CONTENT:"order_id"::VARCHAR AS order_id,
  r.RECORD_CONTENT:"order_unit_id"::NUMBER(19, 0) AS order_unit_id,
  r.RECORD_CONTENT:"carrier_requested"::VARCHAR AS carrier_requested,
  r.RECORD_CONTENT:"carrier_code"::VARCHAR AS carrier_code,
  r.RECORD_CONTENT:"tracking_numbers"::ARRAY AS tracking_numbers,
  r.RECORD_CONTENT:"units_open"::ARRAY AS units_open,
  r.RECORD_CONTENT:"call_ids"::ARRAY AS call_ids,
  r.RECORD_CONTENT:"attempts"::NUMBER(10, 0) AS attempts,
  r.RECORD_CONTENT:"marketplace"."http_status"::NUMBER(10, 0) AS marketplace_http_status,
  r.RECORD_CONTENT:"marketplace"."type"::VARCHAR AS marketplace_type,
  r.RECORD_CONTENT:"marketplace"."message"::VARCHAR AS marketplace_message,
  r.RECORD_CONTENT:"marketplace"."errors"::ARRAY AS marketplace_errors,
  r.RECORD_CONTENT:"input_topic"::VARCHAR AS input_topic,
  r.RECORD_CONTENT:"input_partition"::NUMBER(10, 0) AS input_partition,
  r.RECORD_CONTENT:"input_offset"::NUMBER(19, 0) AS input_offset,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"occurred_at"::NUMBER(19, 0), 6) AS occurred_at,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"received_at"::NUMBER(19, 0), 6) AS received_at,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"decided_at"::NUMBER(19, 0), 6) AS decided_at,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"answered_at"::NUMBER(19, 0), 6) AS answered_at
FROM raw_shipment_results AS r
WHERE r.RECORD_CONTENT:result_id IS NOT NULL;

CREATE OR REPLACE VIEW orders AS
SELECT
  r.RECORD_METADATA:topic::VARCHAR AS kafka_topic,
  r.RECORD_METADATA:partition::NUMBER(10, 0) AS kafka_partition,
  r.RECORD_METADATA:offset::NUMBER(19, 0) AS kafka_offset,
  TO_TIMESTAMP_NTZ(r.RECORD_METADATA:CreateTime::NUMBER(19, 0), 3) AS kafka_timestamp,
  r.RECORD_METADATA:key::VARCHAR AS kafka_key,
  r.RECORD_CONTENT:"account"::VARCHAR AS account,
  r.RECORD_CONTENT:"order_id"::VARCHAR AS order_id,
  r.RECORD_CONTENT:"storefront"::VARCHAR AS storefront,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"created_at"::NUMBER(19, 0), 6) AS created_at,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"changed_at"::NUMBER(19, 0), 6) AS changed_at,
  r.RECORD_CONTENT:"status"::VARCHAR AS status,
  r.RECORD_CONTENT:"units"::ARRAY AS units,
  r.RECORD_CONTENT:"units_open"::ARRAY AS units_open,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"open_since"::NUMBER(19, 0), 6) AS open_since,
  r.RECORD_CONTENT:"complete"::BOOLEAN AS complete,
  r.RECORD_CONTENT:"payout_waits"::BOOLEAN AS payout_waits,
  r.RECORD_CONTENT:"fulfillment_type"::VARCHAR AS fulfillment_type,
  r.RECORD_CONTENT:"is_marketplace_deemed_supplier"::BOOLEAN AS is_marketplace_deemed_supplier,
  r.RECORD_CONTENT:"notes"::ARRAY AS notes,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"observed_at"::NUMBER(19, 0), 6) AS observed_at,
  r.RECORD_CONTENT:"content_sha256"::VARCHAR AS content_sha256
FROM raw_orders AS r
QUALIFY ROW_NUMBER() OVER (PARTITION BY kafka_key ORDER BY kafka_offset DESC) = 1
  AND r.RECORD_CONTENT:account IS NOT NULL;

CREATE OR REPLACE VIEW order_changes AS
SELECT
  r.RECORD_METADATA:topic::VARCHAR AS kafka_topic,
  r.RECORD_METADATA:partition::NUMBER(10, 0) AS kafka_partition,
  r.RECORD_METADATA:offset::NUMBER(19, 0) AS kafka_offset,
  TO_TIMESTAMP_NTZ(r.RECORD_METADATA:CreateTime::NUMBER(19, 0), 3) AS kafka_timestamp,
  r.RECORD_METADATA:key::VARCHAR AS kafka_key,
  r.RECORD_CONTENT:"account"::VARCHAR AS account,
  r.RECORD_CONTENT:"order_id"::VARCHAR AS order_id,
  r.RECORD_CONTENT:"storefront"::VARCHAR AS storefront,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"created_at"::NUMBER(19, 0), 6) AS created_at,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"changed_at"::NUMBER(19, 0), 6) AS changed_at,
  r.RECORD_CONTENT:"status"::VARCHAR AS status,
  r.RECORD_CONTENT:"units"::ARRAY AS units,
  r.RECORD_CONTENT:"units_open"::ARRAY AS units_open,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"open_since"::NUMBER(19, 0), 6) AS open_since,
  r.RECORD_CONTENT:"complete"::BOOLEAN AS complete,
  r.RECORD_CONTENT:"payout_waits"::BOOLEAN AS payout_waits,
  r.RECORD_CONTENT:"fulfillment_type"::VARCHAR AS fulfillment_type,
  r.RECORD_CONTENT:"is_marketplace_deemed_supplier"::BOOLEAN AS is_marketplace_deemed_supplier,
  r.RECORD_CONTENT:"notes"::ARRAY AS notes,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"observed_at"::NUMBER(19, 0), 6) AS observed_at,
  r.RECORD_CONTENT:"content_sha256"::VARCHAR AS content_sha256
FROM raw_order_changes AS r
WHERE r.RECORD_CONTENT:account IS NOT NULL;

CREATE OR REPLACE VIEW returns AS
SELECT
  r.RECORD_METADATA:topic::VARCHAR AS kafka_topic,
  r.RECORD_METADATA:partition::NUMBER(10, 0) AS kafka_partition,
  r.RECORD_METADATA:offset::NUMBER(19, 0) AS kafka_offset,
  TO_TIMESTAMP_NTZ(r.RECORD_METADATA:CreateTime::NUMBER(19, 0), 3) AS kafka_timestamp,
  r.RECORD_METADATA:key::VARCHAR AS kafka_key,
  r.RECORD_CONTENT:"account"::VARCHAR AS account,
  r.RECORD_CONTENT:"return_id"::NUMBER(19, 0) AS return_id,
  r.RECORD_CONTENT:"storefront"::VARCHAR AS storefront,
  r.RECORD_CONTENT:"status_raw"::VARCHAR AS status_raw,
  r.RECORD_CONTENT:"order_unit_ids"::ARRAY AS order_unit_ids,
  r.RECORD_CONTENT:"reason"::VARCHAR AS reason,
  r.RECORD_CONTENT:"units"::ARRAY AS units,
  r.RECORD_CONTENT:"notes"::ARRAY AS notes,
  r.RECORD_CONTENT:"tracking_provider"::VARCHAR AS tracking_provider,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"created_at"::NUMBER(19, 0), 6) AS created_at,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"changed_at"::NUMBER(19, 0), 6) AS changed_at,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"observed_at"::NUMBER(19, 0), 6) AS observed_at
FROM raw_returns AS r
QUALIFY ROW_NUMBER() OVER (PARTITION BY kafka_key ORDER BY kafka_offset DESC) = 1
  AND r.RECORD_CONTENT:account IS NOT NULL;

CREATE OR REPLACE VIEW sales_orders AS
SELECT
  r.RECORD_METADATA:topic::VARCHAR AS kafka_topic,
  r.RECORD_METADATA:partition::NUMBER(10, 0) AS kafka_partition,
  r.RECORD_METADATA:offset::NUMBER(19, 0) AS kafka_offset,
  TO_TIMESTAMP_NTZ(r.RECORD_METADATA:CreateTime::NUMBER(19, 0), 3) AS kafka_timestamp,
  r.RECORD_METADATA:key::VARCHAR AS kafka_key,
  r.RECORD_CONTENT:"command_id"::VARCHAR AS command_id,
  r.RECORD_CONTENT:"account"::VARCHAR AS account,
  r.RECORD_CONTENT:"order_id"::VARCHAR AS order_id,
  r.RECORD_CONTENT:"storefront"::VARCHAR AS storefront,
  r.RECORD_CONTENT:"customer_number"::VARCHAR AS customer_number,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"created_at"::NUMBER(19, 0), 6) AS created_at,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"requested_at"::NUMBER(19, 0), 6) AS requested_at,
  r.RECORD_CONTENT:"units"::ARRAY AS units
FROM raw_sales_orders AS r
WHERE r.RECORD_CONTENT:command_id IS NOT NULL
QUALIFY ROW_NUMBER() OVER (PARTITION BY command_id ORDER BY kafka_offset DESC) = 1;

CREATE OR REPLACE VIEW units AS
SELECT
  r.RECORD_METADATA:topic::VARCHAR AS kafka_topic,
  r.RECORD_METADATA:partition::NUMBER(10, 0) AS kafka_partition,
  r.RECORD_METADATA:offset::NUMBER(19, 0) AS kafka_offset,
  TO_TIMESTAMP_NTZ(r.RECORD_METADATA:CreateTime::NUMBER(19, 0), 3) AS kafka_timestamp,
  r.RECORD_METADATA:key::VARCHAR AS kafka_key,
  r.RECORD_CONTENT:"ean"::VARCHAR AS ean,
  r.RECORD_CONTENT:"account"::VARCHAR AS account,
  r.RECORD_CONTENT:"storefront"::VARCHAR AS storefront,
  r.RECORD_CONTENT:"unit_id"::NUMBER(19, 0) AS unit_id,
  r.RECORD_CONTENT:"condition"::VARCHAR AS condition,
  r.RECORD_CONTENT:"offer_id"::VARCHAR AS offer_id,
  r.RECORD_CONTENT:"other_eans"::ARRAY AS other_eans,
  r.RECORD_CONTENT:"status"::VARCHAR AS status,
  r.RECORD_CONTENT:"is_live"::BOOLEAN AS is_live,
  r.RECORD_CONTENT:"fulfilled_by_marketplace"::BOOLEAN AS fulfilled_by_marketplace,
  r.RECORD_CONTENT:"price"::NUMBER(18, 4) AS price,
  r.RECORD_CONTENT:"currency"::VARCHAR AS currency,
  r.RECORD_CONTENT:"stock"::NUMBER(19, 0) AS stock,
  r.RECORD_CONTENT:"handling_time_days"::NUMBER(19, 0) AS handling_time_days,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"changed_at"::NUMBER(19, 0), 6) AS changed_at,
  r.RECORD_CONTENT:"ordered_at"::ARRAY AS ordered_at,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"orders_read_at"::NUMBER(19, 0), 6) AS orders_read_at,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"orders_known_from"::NUMBER(19, 0), 6) AS orders_known_from,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"requested_at"::NUMBER(19, 0), 6) AS requested_at,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"observed_at"::NUMBER(19, 0), 6) AS observed_at,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"sweep_at"::NUMBER(19, 0), 6) AS sweep_at,
  r.RECORD_CONTENT:"target_id"::VARCHAR AS target_id
FROM raw_units AS r
QUALIFY ROW_NUMBER() OVER (PARTITION BY kafka_key ORDER BY kafka_offset DESC) = 1
  AND r.RECORD_CONTENT:ean IS NOT NULL;

CREATE OR REPLACE VIEW drift AS
SELECT
  r.RECORD_METADATA:topic::VARCHAR AS kafka_topic,
  r.RECORD_METADATA:partition::NUMBER(10, 0) AS kafka_partition,
  r.RECORD_METADATA:offset::NUMBER(19, 0) AS kafka_offset,
  TO_TIMESTAMP_NTZ(r.RECORD_METADATA:CreateTime::NUMBER(19, 0), 3) AS kafka_timestamp,
  r.RECORD_METADATA:key::VARCHAR AS kafka_key,
  r.RECORD_CONTENT:"drift_id"::VARCHAR AS drift_id,
  r.RECORD_CONTENT:"ean"::VARCHAR AS ean,
  r.RECORD_CONTENT:"account"::VARCHAR AS account,
  r.RECORD_CONTENT:"storefront"::VARCHAR AS storefront,
  r.RECORD_CONTENT:"unit_id"::NUMBER(19, 0) AS unit_id,
  r.RECORD_CONTENT:"condition"::VARCHAR AS condition,
  r.RECORD_CONTENT:"offer_id"::VARCHAR AS offer_id,
  r.RECORD_CONTENT:"field"::VARCHAR AS field,
  r.RECORD_CONTENT:"currency"::VARCHAR AS currency,
  r.RECORD_CONTENT:"accepted_value"::NUMBER(18, 4) AS accepted_value,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"accepted_event_at"::NUMBER(19, 0), 6) AS accepted_event_at,
  r.RECORD_CONTENT:"accepted_event_id"::VARCHAR AS accepted_event_id,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"accepted_at"::NUMBER(19, 0), 6) AS accepted_at,
  r.RECORD_CONTENT:"observed_value"::NUMBER(18, 4) AS observed_value,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"requested_at"::NUMBER(19, 0), 6) AS requested_at,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"observed_at"::NUMBER(19, 0), 6) AS observed_at,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"changed_at"::NUMBER(19, 0), 6) AS changed_at,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"sweep_at"::NUMBER(19, 0), 6) AS sweep_at,
  r.RECORD_CONTENT:"cause"::VARCHAR AS cause,
  r.RECORD_CONTENT:"action"::VARCHAR AS action,
  r.RECORD_CONTENT:"result_id"::VARCHAR AS result_id,
  TO_TIMESTAMP_NTZ(r.RECORD_CONTENT:"detected_at"::NUMBER(19, 0), 6) AS detected_at,
  r.RECORD_CONTENT:"target_id"::VARCHAR AS target_id
FROM raw_drift AS r
WHERE r.RECORD_CONTENT:drift_id IS NOT NULL
QUALIFY ROW_NUMBER() OVER (PARTITION BY drift_id ORDER BY kafka_offset DESC) = 1;

CREATE OR REPLACE VIEW dead_letters AS
SELECT
  r.RECORD_METADATA:topic::VARCHAR AS kafka_topic,
  r.RECORD_METADATA:partition::NUMBER(10, 0) AS kafka_partition,
  r.RECORD_METADATA:offset::NUMBER(19, 0) AS kafka_offset,
  TO_TIMESTAMP_NTZ(r.RECORD_METADATA:CreateTime::NUMBER(19, 0), 3) AS kafka_timestamp,
  r.RECORD_METADATA:key::VARCHAR AS kafka_key,
  r.RECORD_METADATA:headers['__connect.errors.topic']::VARCHAR AS input_topic,
  CAST(r.RECORD_METADATA:headers['__connect.errors.partition']::VARCHAR AS NUMBER(10, 0)) AS input_partition,
  CAST(r.RECORD_METADATA:headers['__connect.errors.offset']::VARCHAR AS NUMBER(19, 0)) AS input_offset,
  r.RECORD_METADATA:headers['code']::VARCHAR AS code,
  CAST(r.RECORD_METADATA:headers['attempts']::VARCHAR AS NUMBER(10, 0)) AS attempts,
  r.RECORD_METADATA:headers['__connect.errors.exception.message']::VARCHAR AS message
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
  u.VALUE:"field"::VARCHAR AS field,
  u.VALUE:"status"::VARCHAR AS field_status,
  u.VALUE:"requested"::NUMBER(18, 4) AS field_requested,
  u.VALUE:"before"::NUMBER(18, 4) AS field_before,
  u.VALUE:"sent"::NUMBER(18, 4) AS field_sent,
  u.VALUE:"currency"::VARCHAR AS field_currency,
  u.VALUE:"code"::VARCHAR AS field_code,
  u.VALUE:"superseded_by"::VARCHAR AS field_superseded_by,
  u.VALUE:"before_basis"::VARCHAR AS field_before_basis,
  TO_TIMESTAMP_NTZ(u.VALUE:"before_at"::NUMBER(19, 0), 6) AS field_before_at,
  u.VALUE:"accepted"::NUMBER(18, 4) AS field_accepted,
  u.VALUE:"units_moved"::ARRAY AS field_units_moved,
  u.VALUE:"storefronts_moved"::ARRAY AS field_storefronts_moved,
  u.VALUE:"rules"::ARRAY AS field_rules,
  u.VALUE:"winner"::VARCHAR AS field_winner,
  u.VALUE:"conversion"."amount"::NUMBER(18, 4) AS field_conversion_amount,
  u.VALUE:"conversion"."currency"::VARCHAR AS field_conversion_currency,
  u.VALUE:"conversion"."rate"::VARCHAR AS field_conversion_rate,
  TO_TIMESTAMP_NTZ(u.VALUE:"conversion"."rate_at"::NUMBER(19, 0), 6) AS field_conversion_rate_at,
  u.VALUE:"conversion"."rate_source"::VARCHAR AS field_conversion_rate_source,
  u.VALUE:"conversion"."rounding"::VARCHAR AS field_conversion_rounding
FROM offer_results AS s, LATERAL FLATTEN(INPUT => s.fields) AS u;

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
  u.VALUE:"field"::VARCHAR AS field,
  u.VALUE:"status"::VARCHAR AS field_status,
  u.VALUE:"requested"::NUMBER(18, 4) AS field_requested,
  u.VALUE:"before"::NUMBER(18, 4) AS field_before,
  u.VALUE:"sent"::NUMBER(18, 4) AS field_sent,
  u.VALUE:"currency"::VARCHAR AS field_currency,
  u.VALUE:"code"::VARCHAR AS field_code,
  u.VALUE:"superseded_by"::VARCHAR AS field_superseded_by,
  u.VALUE:"before_basis"::VARCHAR AS field_before_basis,
  TO_TIMESTAMP_NTZ(u.VALUE:"before_at"::NUMBER(19, 0), 6) AS field_before_at,
  u.VALUE:"accepted"::NUMBER(18, 4) AS field_accepted,
  u.VALUE:"units_moved"::ARRAY AS field_units_moved,
  u.VALUE:"storefronts_moved"::ARRAY AS field_storefronts_moved,
  u.VALUE:"rules"::ARRAY AS field_rules,
  u.VALUE:"winner"::VARCHAR AS field_winner,
  u.VALUE:"conversion"."amount"::NUMBER(18, 4) AS field_conversion_amount,
  u.VALUE:"conversion"."currency"::VARCHAR AS field_conversion_currency,
  u.VALUE:"conversion"."rate"::VARCHAR AS field_conversion_rate,
  TO_TIMESTAMP_NTZ(u.VALUE:"conversion"."rate_at"::NUMBER(19, 0), 6) AS field_conversion_rate_at,
  u.VALUE:"conversion"."rate_source"::VARCHAR AS field_conversion_rate_source,
  u.VALUE:"conversion"."rounding"::VARCHAR AS field_conversion_rounding,
  s.is_replay AS is_replay,
  s.is_redrive AS is_redrive
FROM offer_outcomes AS s, LATERAL FLATTEN(INPUT => s.fields) AS u;

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
  u.VALUE:"field"::VARCHAR AS error_field,
  u.VALUE:"message"::VARCHAR AS error_message
FROM offer_results AS s, LATERAL FLATTEN(INPUT => s.problem_errors) AS u;

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
  u.VALUE:"unit_id"::NUMBER(19, 0) AS candidate_unit_id,
  u.VALUE:"storefront"::VARCHAR AS candidate_storefront,
  u.VALUE:"condition"::VARCHAR AS candidate_condition,
  u.VALUE:"offer_id"::VARCHAR AS candidate_offer_id
FROM offers_not_found AS s, LATERAL FLATTEN(INPUT => s.candidates) AS u;

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
  u.VALUE:"field"::VARCHAR AS pending_field,
  u.VALUE:"value"::NUMBER(18, 4) AS pending_value,
  u.VALUE:"currency"::VARCHAR AS pending_currency,
  TO_TIMESTAMP_NTZ(u.VALUE:"event_time"::NUMBER(19, 0), 6) AS pending_event_time,
  u.VALUE:"event_id"::VARCHAR AS pending_event_id
FROM offers_not_found AS s, LATERAL FLATTEN(INPUT => s.pending) AS u;

CREATE OR REPLACE VIEW routing_targets AS
SELECT
  s.kafka_topic AS kafka_topic,
  s.kafka_partition AS kafka_partition,
  s.kafka_offset AS kafka_offset,
  s.kafka_timestamp AS kafka_timestamp,
  s.kafka_key AS kafka_key,
  s.consumer_group AS consumer_group,
  s.accepted_at AS accepted_at,
  u.VALUE:"target_id"::VARCHAR AS target_id,
  u.VALUE:"account"::VARCHAR AS target_account,
  u.VALUE:"storefront"::VARCHAR AS target_storefront
FROM routing AS s, LATERAL FLATTEN(INPUT => s.targets) AS u;

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
  u.VALUE:"unit_id"::NUMBER(19, 0) AS item_unit_id,
  u.VALUE:"event_ids"::ARRAY AS item_event_ids,
  u.VALUE:"event_count"::NUMBER(10, 0) AS item_event_count,
  u.VALUE:"status_code"::NUMBER(10, 0) AS item_status_code,
  u.VALUE:"code"::VARCHAR AS item_code
FROM marketplace_calls AS s, LATERAL FLATTEN(INPUT => s.items) AS u;

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
  u.VALUE:"account"::VARCHAR AS unit_account,
  u.VALUE:"storefront"::VARCHAR AS unit_storefront,
  u.VALUE:"condition"::VARCHAR AS unit_condition,
  u.VALUE:"unit_id"::NUMBER(19, 0) AS unit_id,
  u.VALUE:"offer_id"::VARCHAR AS unit_offer_id,
  u.VALUE:"unit_status"::VARCHAR AS unit_status,
  u.VALUE:"fulfilled_by_marketplace"::BOOLEAN AS unit_fulfilled_by_marketplace,
  TO_TIMESTAMP_NTZ(u.VALUE:"proved_at"::NUMBER(19, 0), 6) AS unit_proved_at,
  u.VALUE:"fields"::ARRAY AS unit_fields,
  u.VALUE:"other_eans"::ARRAY AS unit_other_eans,
  u.VALUE:"owner"::VARCHAR AS unit_owner,
  TO_TIMESTAMP_NTZ(u.VALUE:"owner_asked_at"::NUMBER(19, 0), 6) AS unit_owner_asked_at,
  u.VALUE:"claims"::ARRAY AS unit_claims,
  TO_TIMESTAMP_NTZ(u.VALUE:"release_at"::NUMBER(19, 0), 6) AS unit_release_at,
  TO_TIMESTAMP_NTZ(u.VALUE:"created_at"::NUMBER(19, 0), 6) AS unit_created_at
FROM offer_state AS s, LATERAL FLATTEN(INPUT => s.units) AS u;

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
  u.VALUE:"field"::VARCHAR AS field,
  u.VALUE:"value"::NUMBER(18, 4) AS field_value,
  u.VALUE:"currency"::VARCHAR AS field_currency,
  u.VALUE:"basis"::VARCHAR AS field_basis,
  TO_TIMESTAMP_NTZ(u.VALUE:"event_time"::NUMBER(19, 0), 6) AS field_event_time,
  u.VALUE:"sequence"::NUMBER(19, 0) AS field_sequence,
  u.VALUE:"source"::VARCHAR AS field_source,
  u.VALUE:"event_id"::VARCHAR AS field_event_id,
  u.VALUE:"input_offset"::NUMBER(19, 0) AS field_input_offset,
  TO_TIMESTAMP_NTZ(u.VALUE:"accepted_at"::NUMBER(19, 0), 6) AS field_accepted_at,
  u.VALUE:"certain"::BOOLEAN AS field_certain,
  u.VALUE:"value_known"::BOOLEAN AS field_value_known,
  u.VALUE:"accepted_value"::NUMBER(18, 4) AS field_accepted_value,
  u.VALUE:"conversion"."amount"::NUMBER(18, 4) AS field_conversion_amount,
  u.VALUE:"conversion"."currency"::VARCHAR AS field_conversion_currency,
  u.VALUE:"conversion"."rate"::VARCHAR AS field_conversion_rate,
  TO_TIMESTAMP_NTZ(u.VALUE:"conversion"."rate_at"::NUMBER(19, 0), 6) AS field_conversion_rate_at,
  u.VALUE:"conversion"."rate_source"::VARCHAR AS field_conversion_rate_source,
  u.VALUE:"conversion"."rounding"::VARCHAR AS field_conversion_rounding
FROM offer_state_units AS s, LATERAL FLATTEN(INPUT => s.unit_fields) AS u;

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
  u.VALUE:"result_id"::VARCHAR AS undone_result_id,
  u.VALUE:"event_id"::VARCHAR AS undone_event_id,
  u.VALUE:"target_id"::VARCHAR AS undone_target_id,
  u.VALUE:"condition"::VARCHAR AS undone_condition,
  u.VALUE:"offer_id"::VARCHAR AS undone_offer_id,
  u.VALUE:"unit_id"::NUMBER(19, 0) AS undone_unit_id,
  u.VALUE:"input_offset"::NUMBER(19, 0) AS undone_input_offset,
  TO_TIMESTAMP_NTZ(u.VALUE:"occurred_at"::NUMBER(19, 0), 6) AS undone_occurred_at,
  u.VALUE:"sequence"::NUMBER(19, 0) AS undone_sequence,
  TO_TIMESTAMP_NTZ(u.VALUE:"effective_at"::NUMBER(19, 0), 6) AS undone_effective_at,
  u.VALUE:"source"::VARCHAR AS undone_source,
  TO_TIMESTAMP_NTZ(u.VALUE:"received_at"::NUMBER(19, 0), 6) AS undone_received_at,
  TO_TIMESTAMP_NTZ(u.VALUE:"since"::NUMBER(19, 0), 6) AS undone_since,
  u.VALUE:"origin"::VARCHAR AS undone_origin,
  u.VALUE:"fields"::ARRAY AS undone_fields,
  u.VALUE:"ended"::ARRAY AS undone_ended,
  u.VALUE:"announced"::VARCHAR AS undone_announced,
  u.VALUE:"held"::ARRAY AS undone_held,
  u.VALUE:"held_by"::VARCHAR AS undone_held_by,
  u.VALUE:"passed"::ARRAY AS undone_passed,
  u.VALUE:"command_id"::VARCHAR AS undone_command_id,
  u.VALUE:"times_seen"::NUMBER(19, 0) AS undone_times_seen,
  u.VALUE:"attributes"::OBJECT AS undone_attributes,
  u.VALUE:"one_by_one"::BOOLEAN AS undone_one_by_one,
  u.VALUE:"proved_again"::BOOLEAN AS undone_proved_again,
  u.VALUE:"asked_again"::BOOLEAN AS undone_asked_again,
  u.VALUE:"lookup_call_ids"::ARRAY AS undone_lookup_call_ids,
  u.VALUE:"sent"."account"::VARCHAR AS undone_sent_account,
  u.VALUE:"sent"."storefront"::VARCHAR AS undone_sent_storefront,
  u.VALUE:"sent"."offer_id"::VARCHAR AS undone_sent_offer_id,
  u.VALUE:"sent"."call_ids"::ARRAY AS undone_sent_call_ids,
  u.VALUE:"sent"."attempts"::NUMBER(10, 0) AS undone_sent_attempts,
  TO_TIMESTAMP_NTZ(u.VALUE:"sent"."sent_at"::NUMBER(19, 0), 6) AS undone_sent_sent_at,
  TO_TIMESTAMP_NTZ(u.VALUE:"sent"."answered_at"::NUMBER(19, 0), 6) AS undone_sent_answered_at,
  u.VALUE:"sent"."unit_status"::VARCHAR AS undone_sent_unit_status,
  u.VALUE:"sent"."storefronts_moved"::ARRAY AS undone_sent_storefronts_moved,
  u.VALUE:"problem"."message"::VARCHAR AS undone_problem_message,
  u.VALUE:"problem"."advice"::VARCHAR AS undone_problem_advice,
  u.VALUE:"problem"."http_status"::NUMBER(10, 0) AS undone_problem_http_status,
  u.VALUE:"problem"."type"::VARCHAR AS undone_problem_type,
  u.VALUE:"problem"."marketplace_message"::VARCHAR AS undone_problem_marketplace_message,
  u.VALUE:"problem"."errors"::ARRAY AS undone_problem_errors,
  u.VALUE:"reason"::VARCHAR AS undone_reason,
  u.VALUE:"traceparent"::VARCHAR AS undone_traceparent,
  u.VALUE:"listing"."wish"::VARCHAR AS undone_listing_wish,
  u.VALUE:"listing"."was_sent"::BOOLEAN AS undone_listing_was_sent
FROM offer_state AS s, LATERAL FLATTEN(INPUT => s.undone) AS u;

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
  u.VALUE:"field"::VARCHAR AS field,
  u.VALUE:"value"::NUMBER(18, 4) AS field_value,
  u.VALUE:"currency"::VARCHAR AS field_currency,
  u.VALUE:"conversion"."amount"::NUMBER(18, 4) AS field_conversion_amount,
  u.VALUE:"conversion"."currency"::VARCHAR AS field_conversion_currency,
  u.VALUE:"conversion"."rate"::VARCHAR AS field_conversion_rate,
  TO_TIMESTAMP_NTZ(u.VALUE:"conversion"."rate_at"::NUMBER(19, 0), 6) AS field_conversion_rate_at,
  u.VALUE:"conversion"."rate_source"::VARCHAR AS field_conversion_rate_source,
  u.VALUE:"conversion"."rounding"::VARCHAR AS field_conversion_rounding
FROM offer_state_undone AS s, LATERAL FLATTEN(INPUT => s.undone_fields) AS u;

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
  u.VALUE:"offer_id"::VARCHAR AS item_offer_id,
  u.VALUE:"ean"::VARCHAR AS item_ean,
  u.VALUE:"quantity"::NUMBER(10, 0) AS item_quantity
FROM shipments AS s, LATERAL FLATTEN(INPUT => s.items) AS u;

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
  u.VALUE:"carrier"::VARCHAR AS parcel_carrier,
  u.VALUE:"tracking_number"::VARCHAR AS parcel_tracking_number,
  u.VALUE:"no_tracking"::BOOLEAN AS parcel_no_tracking
FROM shipments AS s, LATERAL FLATTEN(INPUT => s.parcels) AS u;

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
  u.VALUE:"field"::VARCHAR AS error_field,
  u.VALUE:"message"::VARCHAR AS error_message
FROM shipment_results AS s, LATERAL FLATTEN(INPUT => s.marketplace_errors) AS u;

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
  u.VALUE:"order_unit_id"::NUMBER(19, 0) AS order_unit_id,
  u.VALUE:"status"::VARCHAR AS unit_status,
  u.VALUE:"status_raw"::VARCHAR AS unit_status_raw,
  u.VALUE:"ean"::VARCHAR AS unit_ean,
  u.VALUE:"offer_id"::VARCHAR AS unit_offer_id,
  u.VALUE:"condition"::VARCHAR AS unit_condition,
  u.VALUE:"price"::NUMBER(18, 4) AS unit_price,
  u.VALUE:"revenue_gross"::NUMBER(18, 4) AS unit_revenue_gross,
  u.VALUE:"revenue_net"::NUMBER(18, 4) AS unit_revenue_net,
  u.VALUE:"shipping_rate"::NUMBER(18, 4) AS unit_shipping_rate,
  u.VALUE:"vat"::NUMBER(18, 4) AS unit_vat,
  u.VALUE:"currency"::VARCHAR AS unit_currency,
  TO_TIMESTAMP_NTZ(u.VALUE:"handling_due_at"::NUMBER(19, 0), 6) AS unit_handling_due_at,
  TO_TIMESTAMP_NTZ(u.VALUE:"deliver_by_min"::NUMBER(19, 0), 6) AS unit_deliver_by_min,
  TO_TIMESTAMP_NTZ(u.VALUE:"deliver_by_max"::NUMBER(19, 0), 6) AS unit_deliver_by_max,
  u.VALUE:"cancel_reason"::VARCHAR AS unit_cancel_reason,
  u.VALUE:"delivery_time_min_days"::NUMBER(10, 0) AS unit_delivery_time_min_days,
  u.VALUE:"delivery_time_max_days"::NUMBER(10, 0) AS unit_delivery_time_max_days,
  u.VALUE:"discounts"::ARRAY AS unit_discounts,
  u.VALUE:"eco_fee"::NUMBER(18, 4) AS unit_eco_fee,
  u.VALUE:"packaging_fee"::NUMBER(18, 4) AS unit_packaging_fee,
  u.VALUE:"is_marketplace_deemed_supplier"::BOOLEAN AS unit_is_marketplace_deemed_supplier,
  TO_TIMESTAMP_NTZ(u.VALUE:"created_at"::NUMBER(19, 0), 6) AS unit_created_at,
  TO_TIMESTAMP_NTZ(u.VALUE:"changed_at"::NUMBER(19, 0), 6) AS unit_changed_at,
  TO_TIMESTAMP_NTZ(u.VALUE:"sent_at"::NUMBER(19, 0), 6) AS unit_sent_at
FROM orders AS s, LATERAL FLATTEN(INPUT => s.units) AS u;

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
  u.VALUE:"usage_type"::VARCHAR AS discount_usage_type,
  u.VALUE:"amount"::NUMBER(18, 4) AS discount_amount
FROM order_units AS s, LATERAL FLATTEN(INPUT => s.unit_discounts) AS u;

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
  u.VALUE:"order_unit_id"::NUMBER(19, 0) AS order_unit_id,
  u.VALUE:"status"::VARCHAR AS unit_status,
  u.VALUE:"status_raw"::VARCHAR AS unit_status_raw,
  u.VALUE:"ean"::VARCHAR AS unit_ean,
  u.VALUE:"offer_id"::VARCHAR AS unit_offer_id,
  u.VALUE:"condition"::VARCHAR AS unit_condition,
  u.VALUE:"price"::NUMBER(18, 4) AS unit_price,
  u.VALUE:"revenue_gross"::NUMBER(18, 4) AS unit_revenue_gross,
  u.VALUE:"revenue_net"::NUMBER(18, 4) AS unit_revenue_net,
  u.VALUE:"shipping_rate"::NUMBER(18, 4) AS unit_shipping_rate,
  u.VALUE:"vat"::NUMBER(18, 4) AS unit_vat,
  u.VALUE:"currency"::VARCHAR AS unit_currency,
  TO_TIMESTAMP_NTZ(u.VALUE:"handling_due_at"::NUMBER(19, 0), 6) AS unit_handling_due_at,
  TO_TIMESTAMP_NTZ(u.VALUE:"deliver_by_min"::NUMBER(19, 0), 6) AS unit_deliver_by_min,
  TO_TIMESTAMP_NTZ(u.VALUE:"deliver_by_max"::NUMBER(19, 0), 6) AS unit_deliver_by_max,
  u.VALUE:"cancel_reason"::VARCHAR AS unit_cancel_reason,
  u.VALUE:"delivery_time_min_days"::NUMBER(10, 0) AS unit_delivery_time_min_days,
  u.VALUE:"delivery_time_max_days"::NUMBER(10, 0) AS unit_delivery_time_max_days,
  u.VALUE:"discounts"::ARRAY AS unit_discounts,
  u.VALUE:"eco_fee"::NUMBER(18, 4) AS unit_eco_fee,
  u.VALUE:"packaging_fee"::NUMBER(18, 4) AS unit_packaging_fee,
  u.VALUE:"is_marketplace_deemed_supplier"::BOOLEAN AS unit_is_marketplace_deemed_supplier,
  TO_TIMESTAMP_NTZ(u.VALUE:"created_at"::NUMBER(19, 0), 6) AS unit_created_at,
  TO_TIMESTAMP_NTZ(u.VALUE:"changed_at"::NUMBER(19, 0), 6) AS unit_changed_at,
  TO_TIMESTAMP_NTZ(u.VALUE:"sent_at"::NUMBER(19, 0), 6) AS unit_sent_at
FROM order_changes AS s, LATERAL FLATTEN(INPUT => s.units) AS u;

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
  u.VALUE:"return_unit_id"::NUMBER(19, 0) AS return_unit_id,
  u.VALUE:"order_unit_id"::NUMBER(19, 0) AS order_unit_id,
  u.VALUE:"status_raw"::VARCHAR AS unit_status_raw,
  u.VALUE:"reason"::VARCHAR AS unit_reason,
  u.VALUE:"has_note"::BOOLEAN AS unit_has_note
FROM returns AS s, LATERAL FLATTEN(INPUT => s.units) AS u;

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
  u.VALUE:"order_unit_id"::NUMBER(19, 0) AS order_unit_id,
  u.VALUE:"status"::VARCHAR AS unit_status,
  u.VALUE:"status_raw"::VARCHAR AS unit_status_raw,
  u.VALUE:"ean"::VARCHAR AS unit_ean,
  u.VALUE:"offer_id"::VARCHAR AS unit_offer_id,
  u.VALUE:"condition"::VARCHAR AS unit_condition,
  u.VALUE:"price"::NUMBER(18, 4) AS unit_price,
  u.VALUE:"revenue_gross"::NUMBER(18, 4) AS unit_revenue_gross,
  u.VALUE:"revenue_net"::NUMBER(18, 4) AS unit_revenue_net,
  u.VALUE:"shipping_rate"::NUMBER(18, 4) AS unit_shipping_rate,
  u.VALUE:"vat"::NUMBER(18, 4) AS unit_vat,
  u.VALUE:"currency"::VARCHAR AS unit_currency,
  TO_TIMESTAMP_NTZ(u.VALUE:"handling_due_at"::NUMBER(19, 0), 6) AS unit_handling_due_at,
  TO_TIMESTAMP_NTZ(u.VALUE:"deliver_by_min"::NUMBER(19, 0), 6) AS unit_deliver_by_min,
  TO_TIMESTAMP_NTZ(u.VALUE:"deliver_by_max"::NUMBER(19, 0), 6) AS unit_deliver_by_max,
  u.VALUE:"cancel_reason"::VARCHAR AS unit_cancel_reason,
  u.VALUE:"delivery_time_min_days"::NUMBER(10, 0) AS unit_delivery_time_min_days,
  u.VALUE:"delivery_time_max_days"::NUMBER(10, 0) AS unit_delivery_time_max_days,
  u.VALUE:"discounts"::ARRAY AS unit_discounts,
  u.VALUE:"eco_fee"::NUMBER(18, 4) AS unit_eco_fee,
  u.VALUE:"packaging_fee"::NUMBER(18, 4) AS unit_packaging_fee,
  u.VALUE:"is_marketplace_deemed_supplier"::BOOLEAN AS unit_is_marketplace_deemed_supplier,
  TO_TIMESTAMP_NTZ(u.VALUE:"created_at"::NUMBER(19, 0), 6) AS unit_created_at,
  TO_TIMESTAMP_NTZ(u.VALUE:"changed_at"::NUMBER(19, 0), 6) AS unit_changed_at,
  TO_TIMESTAMP_NTZ(u.VALUE:"sent_at"::NUMBER(19, 0), 6) AS unit_sent_at
FROM sales_orders AS s, LATERAL FLATTEN(INPUT => s.units) AS u;

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
