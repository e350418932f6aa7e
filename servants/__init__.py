"""What does the work: the runtime that takes jobs, and one folder per kind of work."""
