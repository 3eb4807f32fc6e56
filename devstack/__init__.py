"""The demo: broker, registry, marketplace and connector on one machine, mixed traffic, and a summary that adds up."""
