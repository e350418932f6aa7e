"""PostgreSQL: schema, migrations, named statements, connections."""
