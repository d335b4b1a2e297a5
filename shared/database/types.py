"""Column types that keep personal data out of the database's sight.

The keys belong to a node, the tables to the program: a type finds the vault on the dialect of the engine that it binds for
(`Database` puts it there), so that four nodes can share one process and one metadata.
"""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from sqlalchemy import Dialect, LargeBinary
from sqlalchemy.types import TypeDecorator

from shared.database.vault import Vault

M = TypeVar("M", bound=BaseModel)


def vault_of(dialect: Dialect) -> Vault:
    vault = getattr(dialect, "quanyu_vault", None)
    if not isinstance(vault, Vault):
        raise TypeError("this engine was not made by shared.database.Database: it has no vault")
    return vault


class Encrypted(TypeDecorator[M], Generic[M]):
    """A pydantic model, stored as one encrypted value; `label` is "table.column"."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, label: str, model: type[M]) -> None:
        super().__init__()
        self.label = label
        self.model = model

    def process_bind_param(self, value: M | None, dialect: Dialect) -> bytes | None:
        if value is None:
            return None
        return vault_of(dialect).encrypt(self.label, value.model_dump_json(exclude_defaults=True).encode())

    def process_result_value(self, value: Any | None, dialect: Dialect) -> M | None:
        if value is None:
            return None
        return self.model.model_validate_json(vault_of(dialect).decrypt(self.label, value))


class BlindIndex(TypeDecorator[Any]):
    """16 bytes by which an exact value is found; bind the clear text (str), or bytes that are an index already."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> bytes | None:
        if value is None or isinstance(value, bytes):
            return value
        return vault_of(dialect).blind_index(self.label, value)
