"""SOQL: its grammar, the statement it becomes for SQLite, and the records that come of its rows."""
