"""The steps that bring a database from one form of its tables to the next, run by alembic."""
