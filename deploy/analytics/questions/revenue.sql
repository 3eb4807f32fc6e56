-- What was sold, exactly: by day of the order (UTC), storefront and currency, without cancelled units.
-- Returned units are in the sums, and once more in the column returned_gross.
SELECT
  date_trunc('day', created_at) AS day,
  account,
  storefront,
  unit_currency AS currency,
  COUNT(DISTINCT order_id) AS orders,
  COUNT(*) AS order_units,
  SUM(unit_price) AS price,
  SUM(unit_revenue_gross) AS revenue_gross,
  SUM(unit_revenue_net) AS revenue_net,
  SUM(unit_shipping_rate) AS shipping,
  COALESCE(SUM(unit_revenue_gross) FILTER (unit_status IN ('RETURNED', 'RETURNED_PAID')), 0) AS returned_gross
FROM order_units
WHERE unit_status <> 'CANCELLED'
GROUP BY day, account, storefront, currency
ORDER BY day, account, storefront, currency;
