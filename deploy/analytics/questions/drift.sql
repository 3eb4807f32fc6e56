-- What the marketplace shows that it had not accepted, by day (UTC), storefront, field and cause.
SELECT
  date_trunc('day', detected_at) AS day,
  account,
  storefront,
  field,
  currency,
  cause,
  COUNT(*) AS changes,
  COUNT(DISTINCT unit_id) AS units,
  COUNT(*) FILTER (action = 'REPAIRED') AS repaired,
  SUM(observed_value - accepted_value) AS difference
FROM drift
GROUP BY day, account, storefront, field, currency, cause
ORDER BY day, account, storefront, field, cause;
