-- From the order to the parcel, by carrier, in hours: to when it left (occurred_at of the shipment), and from there to
-- the marketplace's confirmation. Units that were confirmed by others have no carrier: they left when the history of
-- orders (order_changes) shows that they were sent. order_changes is kept longer than shipment_results (365 and 90 days
-- unless you changed it): a unit whose confirmation has expired there has no carrier either, as if others had sent it.
SELECT
  carrier,
  COUNT(*) AS order_units,
  PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY to_ship) AS to_ship_p50,
  PERCENTILE_CONT(0.95) WITHIN GROUP (ORDER BY to_ship) AS to_ship_p95,
  PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY to_confirm) AS to_confirm_p50,
  PERCENTILE_CONT(0.95) WITHIN GROUP (ORDER BY to_confirm) AS to_confirm_p95
FROM (
  SELECT
    s.carrier_code AS carrier,
    (epoch_us(s.occurred_at) - epoch_us(u.unit_created_at)) / 3.6e9 AS to_ship,
    (epoch_us(s.decided_at) - epoch_us(s.occurred_at)) / 3.6e9 AS to_confirm
  FROM shipment_outcomes AS s
  JOIN order_units AS u ON u.order_id = s.order_id AND u.order_unit_id = s.order_unit_id
  WHERE s.status IN ('CONFIRMED', 'CONFIRMED_TRACKING_UNVERIFIED')
  UNION ALL
  SELECT NULL, (epoch_us(MIN(c.unit_sent_at)) - epoch_us(MIN(c.unit_created_at))) / 3.6e9, NULL
  FROM order_change_units AS c
  WHERE c.unit_sent_at IS NOT NULL
    AND NOT EXISTS (
      SELECT 1 FROM shipment_outcomes AS s
      WHERE s.order_unit_id = c.order_unit_id AND s.status IN ('CONFIRMED', 'CONFIRMED_TRACKING_UNVERIFIED')
    )
  GROUP BY c.order_unit_id
) AS shipped
GROUP BY carrier
ORDER BY order_units DESC, carrier;
