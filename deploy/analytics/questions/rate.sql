-- How much of the rate limit is used, by account and hour (UTC): the busiest second, the fewest calls that were left in
-- a second, and answers 429. limit_per_second and lowest_limit: the highest and the lowest limit of a process in the
-- hour; each has its share of the account's. waited_worst: seconds until an update of offers left for the first time.
-- Other calls do not count there: a page of a sweep counts from its begin, a parcel also waits for its order.
WITH seconds AS (
  SELECT
    account, date_trunc('second', sent_at) AS second, COUNT(*) AS calls,
    COUNT(*) FILTER (http_status = 429) AS throttled, MIN(tokens_left) AS fewest_left,
    MAX(limit_per_second) AS highest, MIN(limit_per_second) AS lowest,
    MAX(waited_us) FILTER (kind LIKE 'update:%' AND attempt = 1) / 1e6 AS waited
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
  SUM(throttled) / SUM(calls) AS share_429,
  MAX(highest) AS limit_per_second,
  MIN(lowest) AS lowest_limit,
  MAX(waited) AS waited_worst
FROM seconds
GROUP BY account, hour
ORDER BY hour, account;
