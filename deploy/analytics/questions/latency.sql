-- How long a change takes from being read to the marketplace's answer, by target and hour (UTC) of reading: seconds.
-- Only what was sent by its first answer: what was held or not found at first waited for something else. waited: from
-- reading the oldest event of the event's last call until that call left; look-ups and retries before it count.
SELECT
  target_id,
  date_trunc('hour', received_at) AS hour,
  COUNT(*) AS events,
  PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY seconds) AS p50,
  PERCENTILE_CONT(0.95) WITHIN GROUP (ORDER BY seconds) AS p95,
  PERCENTILE_CONT(0.99) WITHIN GROUP (ORDER BY seconds) AS p99,
  PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY waited) AS waited_p50,
  PERCENTILE_CONT(0.95) WITHIN GROUP (ORDER BY waited) AS waited_p95
FROM (
  SELECT
    o.target_id, o.received_at, (epoch_us(o.sent_answered_at) - epoch_us(o.received_at)) / 1e6 AS seconds,
    c.waited_us / 1e6 AS waited
  FROM offer_outcomes AS o
  LEFT JOIN marketplace_calls AS c ON c.call_id = o.sent_call_ids[-1]
  WHERE o.origin = 'LIVE' AND o.status IN ('APPLIED', 'PARTIAL', 'CREATED', 'DELETED') AND o.sent_answered_at IS NOT NULL
) AS sent
GROUP BY target_id, hour
ORDER BY hour, target_id;
