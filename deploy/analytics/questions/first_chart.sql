-- How events ended: a bar for each status. Replays and values sent again are not counted.
SELECT
  status,
  COUNT(*) AS events,
  bar(COUNT(*), 0, MAX(COUNT(*)) OVER (), 60) AS chart
FROM offer_outcomes
WHERE NOT is_replay
GROUP BY status
ORDER BY events DESC, status;
