"""Avro: codecs in Confluent's wire format, compiled readers and writers, schema versions and compatibility."""
