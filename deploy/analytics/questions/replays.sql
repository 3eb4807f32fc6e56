-- What was processed again, apart from the events: replays and values sent again by their command, redrives.
-- ended_differently: rows whose status is not that of the row that counts for the same record.
SELECT
  r.origin,
  r.command_id,
  r.status,
  COUNT(*) AS processed,
  COUNT(DISTINCT r.ean) AS eans,
  COUNT(*) FILTER (o.status IS NOT NULL AND o.status <> r.status) AS ended_differently,
  MIN(r.decided_at) AS first_at,
  MAX(r.decided_at) AS last_at
FROM offer_results AS r
LEFT JOIN offer_outcomes AS o ON o.result_id = r.result_id
WHERE r.origin IN ('REPLAY', 'REDRIVE', 'RESEND')
GROUP BY r.origin, r.command_id, r.status
ORDER BY first_at, r.origin, r.status;
