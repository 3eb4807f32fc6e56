-- Offers whose newest wanted price, stock or handling time is not in effect: it ended otherwise, or still waits.
-- The newest event of a field counts, by its own time but no later than it was read; equal times by the source's
-- sequence, then by offset. known_before was last shown at known_at: by an acceptance (known_how ACCEPTED) or a look-up.
SELECT
  ean, target_id, condition, field, wanted, currency, known_before, known_how, known_at, status, code, wanted_since
FROM (
  SELECT
    ean, target_id, condition, field, field_requested AS wanted, field_currency AS currency,
    field_before AS known_before, field_before_basis AS known_how, field_before_at AS known_at,
    field_status AS status, COALESCE(field_code, code) AS code,
    LEAST(occurred_at, received_at) AS wanted_since,
    sequence, input_offset
  FROM offer_outcome_fields
  WHERE field_status <> 'SUPERSEDED'
  UNION ALL
  SELECT
    ean, undone_target_id, undone_condition, field, field_value, field_currency, NULL,
    NULL, NULL, 'PENDING', undone_reason, LEAST(undone_occurred_at, undone_received_at), undone_sequence,
    undone_input_offset
  FROM offer_state_undone_fields
  WHERE undone_announced = 'NONE'
) AS wishes
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY ean, target_id, condition, field
  ORDER BY wanted_since DESC, sequence DESC NULLS LAST, input_offset DESC, status DESC
) = 1
  AND status NOT IN ('APPLIED', 'UNCHANGED', 'UNMANAGED', 'CREATED', 'DELETED')
ORDER BY wanted_since, ean, target_id, condition, field;
