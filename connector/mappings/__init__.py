"""Data of the operator that changes while the connector runs: allow-lists, carriers, storefronts and conditions."""
