UPDATE rollup_progress
SET rolled_until = %(rolled_until)s, checked_until = %(checked_until)s
