SELECT pg_notify('retinue_due', '')
