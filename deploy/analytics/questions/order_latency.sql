-- How long an order takes from its creation at the marketplace to its first record in the history of orders, by account
-- and storefront: seconds. An order that is older than the history, as those of the first poll are, counts with its age.
SELECT
  account,
  storefront,
  COUNT(*) AS orders,
  PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY seconds) AS p50,
  PERCENTILE_CONT(0.95) WITHIN GROUP (ORDER BY seconds) AS p95,
  MAX(seconds) AS slowest
FROM (
  SELECT account, storefront, (epoch_us(MIN(observed_at)) - epoch_us(MIN(created_at))) / 1e6 AS seconds
  FROM order_changes
  GROUP BY account, storefront, order_id
) AS arrived
GROUP BY account, storefront
ORDER BY account, storefront;
