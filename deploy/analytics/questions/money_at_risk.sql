-- What stale values and missing offers may cost, by reason, target and currency.
--   TOO_CHEAP  the accepted price is below the wanted one: the difference, times the accepted stock
--   OVERSOLD   the accepted stock is above the wanted one: the difference, times the accepted price
--   NOT_ON_SALE  the offer was not found: the wanted stock times the wanted price
-- Values that are not known (no stock or no price accepted yet) are counted as offers and add nothing to the amount.
WITH stale AS (
  SELECT ean, target_id, condition, field, field_requested AS wanted, field_status AS status
  FROM offer_outcome_fields
  WHERE field_status <> 'SUPERSEDED'
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY ean, target_id, condition, field
    ORDER BY LEAST(occurred_at, received_at) DESC, sequence DESC NULLS LAST, input_offset DESC
  ) = 1
    AND status NOT IN ('APPLIED', 'UNCHANGED', 'UNMANAGED', 'CREATED', 'DELETED', 'NOT_FOUND', 'AMBIGUOUS', 'CONFLICT')
),
known AS (
  SELECT
    s.ean, t.target_id, s.unit_condition AS condition,
    MAX(s.field_value) FILTER (s.field = 'price') AS price,
    MAX(s.field_currency) FILTER (s.field = 'price') AS currency,
    MAX(s.field_value) FILTER (s.field = 'stock') AS stock
  FROM offer_state_fields AS s
  JOIN targets AS t ON t.account = s.unit_account AND t.storefront = s.unit_storefront
  WHERE s.field_value_known
  GROUP BY s.ean, t.target_id, s.unit_condition, s.unit_id
),
missing AS (
  SELECT
    target_id, kafka_key,
    MAX(pending_value) FILTER (pending_field = 'price') AS price,
    MAX(pending_currency) FILTER (pending_field = 'price') AS currency,
    MAX(pending_value) FILTER (pending_field = 'stock') AS stock
  FROM offers_not_found_pending
  GROUP BY target_id, kafka_key
),
risks AS (
  SELECT 'TOO_CHEAP' AS risk, target_id, currency, (s.wanted - k.price) * k.stock AS amount
  FROM stale AS s JOIN known AS k USING (ean, target_id, condition)
  WHERE s.field = 'price' AND s.wanted > k.price
  UNION ALL
  SELECT 'OVERSOLD', target_id, currency, (k.stock - GREATEST(s.wanted, 0)) * k.price
  FROM stale AS s JOIN known AS k USING (ean, target_id, condition)
  WHERE s.field = 'stock' AND s.wanted < k.stock
  UNION ALL
  SELECT 'NOT_ON_SALE', target_id, currency, price * stock FROM missing
)
SELECT risk, target_id, currency, COUNT(*) AS offers, COALESCE(SUM(amount), 0) AS amount
FROM risks
GROUP BY risk, target_id, currency
ORDER BY amount DESC, risk, target_id, currency;
