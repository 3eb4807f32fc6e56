-- What was sent, what changed and what failed: the events that ended from $since until before $until (UTC), by target. events
-- is the sum of changed, unchanged, superseded, failed, withheld and waiting. sent counts those with at least one call that
-- carried values, changed or not. Replays and values sent again are not counted. waiting: announced, a later row follows.
SELECT
  target_id,
  COUNT(*) AS events,
  COUNT(*) FILTER (status IN ('APPLIED', 'PARTIAL', 'CREATED', 'DELETED')) AS changed,
  COUNT(*) FILTER (status = 'UNCHANGED') AS unchanged,
  COUNT(*) FILTER (status = 'SUPERSEDED') AS superseded,
  COUNT(*) FILTER (status IN ('FAILED', 'REJECTED', 'AMBIGUOUS', 'CONFLICT', 'UNKNOWN')) AS failed,
  COUNT(*) FILTER (status IN ('SUPPRESSED', 'UNMANAGED', 'DRY_RUN')) AS withheld,
  COUNT(*) FILTER (status IN ('NOT_FOUND', 'HELD')) AS waiting,
  COUNT(*) FILTER (sent_attempts > 0) AS sent
FROM offer_outcomes
WHERE NOT is_replay AND decided_at >= $since AND decided_at < $until
GROUP BY target_id
ORDER BY target_id;
