"""SOQL: its grammar, the statement it becomes for SQLite, and the records made of the rows."""
