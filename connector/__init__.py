"""The connector: offer changes in, marketplace updated, a result for every event out."""
