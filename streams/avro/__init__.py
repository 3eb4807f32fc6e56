"""Avro: compiled readers and writers, schema versions and compatibility."""
