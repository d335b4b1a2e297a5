"""One history of the schema, run on every bureau's database by its owner role; the node itself has no right to change it."""

from services.bureau.schema.migrate import SchemaError, check, migrate, revise

__all__ = ["SchemaError", "check", "migrate", "revise"]
