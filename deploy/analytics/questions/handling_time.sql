-- Handling time promised against kept, by storefront and carrier: when a parcel left (occurred_at of the shipment; of a
-- unit that somebody else confirmed, when the history of orders shows that it was sent), and when it was due.
-- hours_early is negative for late ones. open: not sent yet; overdue: of these, due before $now, the time (UTC) of the
-- question. unknown: sent, but no poll has seen when.
SELECT
  storefront,
  carrier,
  COUNT(*) FILTER (hours_early >= 0) AS in_time,
  COUNT(*) FILTER (hours_early < 0) AS late,
  PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY hours_early) AS hours_early_p50,
  MIN(hours_early) AS hours_early_worst,
  COUNT(*) FILTER (hours_early IS NULL AND is_open) AS open,
  COUNT(*) FILTER (hours_early IS NULL AND is_open AND due_at < $now) AS overdue,
  COUNT(*) FILTER (hours_early IS NULL AND NOT is_open) AS unknown
FROM (
  SELECT
    u.storefront, u.unit_handling_due_at AS due_at, s.carrier_code AS carrier,
    list_contains(u.units_open, u.order_unit_id) AS is_open,
    (epoch_us(u.unit_handling_due_at) - epoch_us(COALESCE(s.occurred_at, c.sent_at))) / 3.6e9 AS hours_early
  FROM order_units AS u
  LEFT JOIN (
    SELECT order_id, order_unit_id, carrier_code, MIN(occurred_at) AS occurred_at
    FROM shipment_outcomes
    WHERE status IN ('CONFIRMED', 'CONFIRMED_TRACKING_UNVERIFIED')
    GROUP BY order_id, order_unit_id, carrier_code
  ) AS s ON s.order_id = u.order_id AND s.order_unit_id = u.order_unit_id
  LEFT JOIN (
    SELECT order_unit_id, MIN(unit_sent_at) AS sent_at
    FROM order_change_units
    WHERE unit_sent_at IS NOT NULL
    GROUP BY order_unit_id
  ) AS c ON c.order_unit_id = u.order_unit_id
  WHERE u.unit_handling_due_at IS NOT NULL AND u.unit_status <> 'CANCELLED'
) AS promised
GROUP BY storefront, carrier
ORDER BY storefront, carrier;
