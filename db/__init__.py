"""The store: tables, reads, writes, migrations, settings, MLflow mirror."""
