"""Queues: hints that jobs wait. What is true stands in PostgreSQL."""
