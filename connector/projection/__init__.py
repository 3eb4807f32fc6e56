"""A projection of the output topics in an embedded database: rows that commands find by key instead of by scanning.

The topics stay the source of truth. The database can be deleted at any time: the next command that needs it builds it
from the topics again. Why SQLite: docs/decisions/projection-in-sqlite.md.
"""
