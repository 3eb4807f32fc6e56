-- For which share of the events exactly one offer was found: by storefront, brand and prefix of the EAN (7 digits).
-- Superseded events are left out: they were not looked up on their own. The brand is in the attributes of the result;
-- results of before version 5 of its schema have none, so theirs comes from the event while the input topic has it.
SELECT
  CASE
    WHEN GROUPING(storefront) = 0 THEN 'storefront'
    WHEN GROUPING(brand) = 0 THEN 'brand'
    ELSE 'prefix'
  END AS by_what,
  COALESCE(storefront, brand, prefix) AS value,
  COUNT(*) FILTER (found) AS found,
  COUNT(*) FILTER (NOT found) AS not_found,
  COUNT(*) FILTER (found) / COUNT(*) AS match_rate
FROM (
  SELECT
    t.storefront,
    COALESCE(o.attributes['brand'], e.attributes['brand']) AS brand,
    LEFT(o.ean, 7) AS prefix,
    o.status NOT IN ('NOT_FOUND', 'AMBIGUOUS', 'CONFLICT') AS found
  FROM offer_outcomes AS o
  LEFT JOIN targets AS t ON t.target_id = o.target_id
  LEFT JOIN offer_changes AS e
    ON e.kafka_topic = o.input_topic AND e.kafka_partition = o.input_partition AND e.kafka_offset = o.input_offset
  WHERE NOT o.is_replay
    AND (o.status IN ('NOT_FOUND', 'AMBIGUOUS', 'CONFLICT') OR (o.status <> 'SUPERSEDED' AND o.unit_id IS NOT NULL))
) AS judged
GROUP BY GROUPING SETS ((storefront), (brand), (prefix))
ORDER BY by_what, match_rate, not_found DESC, value;
