"""What a customer sees of its own account: connections, opportunities, people, their history, and a search.

Every statement names tables without their schema and carries the account's ID. It is read by sessions that row-level
security confines to one account, and by support, for whom views of the same names show the same columns masked: any
text may be `MASKED`, any number None. What is compared in `WHERE` is a column and never an expression over one:
row-level security lets no other condition near an index.
"""

from __future__ import annotations
