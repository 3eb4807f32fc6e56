-- What was sent, what changed and what failed: the events that ended from $since until before $until (UTC), by target. events
-- is the sum of changed, unchanged, superseded, failed, withheld and waiting. sent counts those with at least one call that
-- carried values, changed or not. Replays and values sent again are not counted. waiting: announced, a later row follows.
-- A PARTIAL event has changed if a field of it was APPLIED; if not, it counts as failed, withheld or superseded: as the
-- first of these that one of its fields is.
WITH parts AS (
  SELECT
    result_id,
    CASE
      WHEN bool_or(field_status = 'APPLIED') THEN 'APPLIED'
      WHEN bool_or(field_status IN ('FAILED', 'REJECTED', 'AMBIGUOUS', 'CONFLICT', 'UNKNOWN')) THEN 'FAILED'
      WHEN bool_or(field_status IN ('SUPPRESSED', 'UNMANAGED', 'DRY_RUN')) THEN 'SUPPRESSED'
      ELSE 'SUPERSEDED'
    END AS ended
  FROM offer_outcome_fields
  WHERE status = 'PARTIAL'
  GROUP BY result_id
),
ends AS (
  SELECT o.target_id, o.sent_attempts, COALESCE(p.ended, o.status) AS ended
  FROM offer_outcomes AS o
  LEFT JOIN parts AS p ON p.result_id = o.result_id
  WHERE NOT o.is_replay AND o.decided_at >= $since AND o.decided_at < $until
)
SELECT
  target_id,
  COUNT(*) AS events,
  COUNT(*) FILTER (ended IN ('APPLIED', 'CREATED', 'DELETED')) AS changed,
  COUNT(*) FILTER (ended = 'UNCHANGED') AS unchanged,
  COUNT(*) FILTER (ended = 'SUPERSEDED') AS superseded,
  COUNT(*) FILTER (ended IN ('FAILED', 'REJECTED', 'AMBIGUOUS', 'CONFLICT', 'UNKNOWN', 'PARTIAL')) AS failed,
  COUNT(*) FILTER (ended IN ('SUPPRESSED', 'UNMANAGED', 'DRY_RUN')) AS withheld,
  COUNT(*) FILTER (ended IN ('NOT_FOUND', 'HELD')) AS waiting,
  COUNT(*) FILTER (sent_attempts > 0) AS sent
FROM ends
GROUP BY target_id
ORDER BY target_id;
