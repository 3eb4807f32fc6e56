"""The connector: reads events from Kafka, applies them to the marketplace, and writes a result for every event."""
