"""Maps target ids to an account and a storefront, and records the mapping that a consumer group has accepted."""
