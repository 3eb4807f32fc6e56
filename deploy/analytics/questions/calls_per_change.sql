-- What a change costs, by day (UTC) and storefront: calls for offers for each accepted value, and the share of wanted
-- values that were so already. Sweeps, orders and parcels are not counted.
SELECT day, storefront, SUM(calls) AS calls, SUM(writes) AS writes, SUM(accepted) AS accepted, SUM(no_ops) AS no_ops,
  SUM(calls) / NULLIF(SUM(accepted), 0) AS calls_per_accepted,
  SUM(no_ops) / NULLIF(SUM(accepted) + SUM(no_ops), 0) AS no_op_share
FROM (
  SELECT date_trunc('day', sent_at) AS day, storefront, 1 AS calls, CAST(kind LIKE 'update:%' AS INTEGER) AS writes,
    0 AS accepted, 0 AS no_ops
  FROM marketplace_calls
  WHERE kind LIKE 'update:%' OR kind LIKE 'lookup:%'
  UNION ALL
  SELECT date_trunc('day', f.decided_at), t.storefront, 0, 0,
    CAST(f.field_status = 'APPLIED' AS INTEGER), CAST(f.field_status = 'UNCHANGED' AS INTEGER)
  FROM offer_outcome_fields AS f
  LEFT JOIN targets AS t ON t.target_id = f.target_id
  WHERE f.field_status IN ('APPLIED', 'UNCHANGED') AND NOT f.is_replay
) AS counted
GROUP BY day, storefront
ORDER BY day, storefront;
