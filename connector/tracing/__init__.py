"""Hands finished spans to a collector of OpenTelemetry, in a thread of its own. Needs the extra ``traces``."""
