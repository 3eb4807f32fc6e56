"""Compares what a dry run decided with what the marketplace shows while another system writes there."""
