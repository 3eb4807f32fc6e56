"""The Kafka implementation of the ports: consumer (source), producers (sinks), admin clients, and the registry."""
