-- What the marketplace had accepted for an EAN at a time, and why. $ean: the EAN; $at: a TIMESTAMP in UTC.
-- lost_to_it: events whose value this one replaced in the end, before they were sent. seen_later: a value that a sweep
-- saw instead by then. A linked unit moves with another one (units_moved): look at that one too.
WITH accepted AS (
  SELECT
    target_id, condition, unit_id, field, field_sent AS value, field_currency AS currency,
    sent_answered_at AS accepted_at, event_id, result_id, origin, sent_account, sent_call_ids[-1] AS call_id,
    field_units_moved AS units_moved, sent_storefronts_moved AS storefronts_moved
  FROM offer_result_fields
  WHERE ean = $ean AND field_status = 'APPLIED' AND field_sent IS NOT NULL AND sent_answered_at <= $at
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY target_id, condition, unit_id, field ORDER BY sent_answered_at DESC, kafka_offset DESC
  ) = 1
)
SELECT
  a.target_id, a.condition, a.unit_id, a.field, a.value, a.currency, a.accepted_at, a.origin, a.event_id, a.result_id,
  a.call_id, c.http_status, a.units_moved, a.storefronts_moved,
  (
    SELECT COUNT(DISTINCT l.result_id)
    FROM offer_winners AS w
    JOIN offer_outcomes AS l ON l.result_id = w.result_id
    WHERE w.winner = a.result_id AND w.field = a.field AND l.decided_at <= $at
  ) AS lost_to_it,
  (
    SELECT MAX_BY(d.observed_value, d.detected_at)
    FROM drift AS d
    WHERE d.ean = $ean AND d.account = a.sent_account AND d.unit_id = a.unit_id AND d.field = a.field
      AND d.detected_at <= $at AND d.detected_at > a.accepted_at
  ) AS seen_later
FROM accepted AS a
LEFT JOIN marketplace_calls AS c ON c.call_id = a.call_id
ORDER BY a.target_id, a.condition, a.unit_id, a.field;
