"""Kafka behind our ports: source, sinks, and the brokers that tests and demonstrations run on."""
