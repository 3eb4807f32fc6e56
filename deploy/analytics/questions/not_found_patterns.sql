-- Offers that someone must create or make unique, by target, code, brand and prefix of the EAN: most offers first.
SELECT
  target_id,
  code,
  attributes['brand'] AS brand,
  LEFT(ean, 7) AS prefix,
  COUNT(*) AS offers,
  SUM(times_seen) AS events,
  MIN(first_seen_at) AS since
FROM offers_not_found
GROUP BY target_id, code, brand, prefix
ORDER BY offers DESC, events DESC, target_id, code, brand, prefix;
