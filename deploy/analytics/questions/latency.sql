-- How long a change takes from being read to the marketplace's answer, by target and hour (UTC) of reading: seconds.
-- Only what was sent by its first answer: what was held or not found at first waited for something else.
SELECT
  target_id,
  date_trunc('hour', received_at) AS hour,
  COUNT(*) AS events,
  PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY seconds) AS p50,
  PERCENTILE_CONT(0.95) WITHIN GROUP (ORDER BY seconds) AS p95,
  PERCENTILE_CONT(0.99) WITHIN GROUP (ORDER BY seconds) AS p99
FROM (
  SELECT target_id, received_at, (epoch_us(sent_answered_at) - epoch_us(received_at)) / 1e6 AS seconds
  FROM offer_outcomes
  WHERE origin = 'LIVE' AND status IN ('APPLIED', 'PARTIAL') AND sent_answered_at IS NOT NULL
) AS sent
GROUP BY target_id, hour
ORDER BY hour, target_id;
