"""What Retinue stands on: settings, logs, PostgreSQL, queues, secrets, the loop runner, the embedded stack."""
