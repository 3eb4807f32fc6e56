-- In = out: records of each partition of the input topics, and how many have a result or a dead letter. not_ended must
-- be 0 once nothing waits: a shipment has no result while its order is not released. both must be 0, unless a dead
-- letter was read again. expired: results whose input record the topic does not have any more. A shipment event that comes
-- again is answered under the position of the first, so shipments are joined by their event.
WITH input AS (
  SELECT kafka_topic AS topic, kafka_partition AS partition_, kafka_offset AS offset_ FROM raw_offer_changes
  UNION
  SELECT kafka_topic, kafka_partition, kafka_offset FROM raw_shipments
),
output AS (
  SELECT input_topic AS topic, input_partition AS partition_, input_offset AS offset_, TRUE AS is_result
  FROM offer_results WHERE origin <> 'RESEND'
  UNION
  SELECT input_topic, input_partition, input_offset, TRUE FROM shipment_results
  UNION
  SELECT s.kafka_topic, s.kafka_partition, s.kafka_offset, TRUE
  FROM shipments AS s JOIN shipment_results AS r ON r.order_id = s.order_id AND r.event_id = s.event_id
  UNION
  SELECT input_topic, input_partition, input_offset, FALSE FROM dead_letters
),
joined AS (
  SELECT
    COALESCE(i.topic, r.topic, d.topic) AS topic, COALESCE(i.partition_, r.partition_, d.partition_) AS partition_,
    i.topic IS NOT NULL AS is_in, r.topic IS NOT NULL AS is_result, d.topic IS NOT NULL AS is_dead
  FROM input AS i
  FULL JOIN (SELECT * FROM output WHERE is_result) AS r USING (topic, partition_, offset_)
  FULL JOIN (SELECT * FROM output WHERE NOT is_result) AS d USING (topic, partition_, offset_)
)
SELECT
  topic AS input_topic,
  partition_ AS input_partition,
  COUNT(*) FILTER (is_in) AS records,
  COUNT(*) FILTER (is_in AND is_result) AS with_result,
  COUNT(*) FILTER (is_in AND is_dead) AS with_dead_letter,
  COUNT(*) FILTER (is_in AND NOT is_result AND NOT is_dead) AS not_ended,
  COUNT(*) FILTER (is_result AND is_dead) AS both,
  COUNT(*) FILTER (NOT is_in) AS expired
FROM joined
GROUP BY topic, partition_
ORDER BY topic, partition_;
