-- How much of the rate limit is used, by account and hour (UTC): the busiest second, the fewest calls that were left in
-- a second, and answers 429. The records do not say which limit was in force: compare busiest_second with your own.
WITH seconds AS (
  SELECT
    account, date_trunc('second', sent_at) AS second, COUNT(*) AS calls,
    COUNT(*) FILTER (http_status = 429) AS throttled, MIN(tokens_left) AS fewest_left
  FROM marketplace_calls
  GROUP BY account, second
)
SELECT
  account,
  date_trunc('hour', second) AS hour,
  SUM(calls) AS calls,
  MAX(calls) AS busiest_second,
  SUM(calls) / 3600 AS calls_per_second,
  MIN(fewest_left) AS fewest_left,
  SUM(throttled) AS answers_429,
  SUM(throttled) / SUM(calls) AS share_429
FROM seconds
GROUP BY account, hour
ORDER BY hour, account;
