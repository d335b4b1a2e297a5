"""The servers under the bureaus, started and stopped by the harness: embedded PostgreSQL, and Apache Kafka when asked for."""

from services.harness.stack.databases import Databases, node_role, owner_role
from services.harness.stack.errors import StackError
from services.harness.stack.kafka import KafkaServer
from services.harness.stack.postgres import ExternalPostgres, PostgresServer, start_all, stop_all

__all__ = [
    "Databases",
    "ExternalPostgres",
    "KafkaServer",
    "PostgresServer",
    "StackError",
    "node_role",
    "owner_role",
    "start_all",
    "stop_all",
]
