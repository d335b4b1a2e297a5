"""Every table of a node, gathered for Alembic: importing this fills `shared.database.metadata`."""

import services.bureau.access.tables
import services.bureau.population.tables
import services.bureau.stations.tables
import services.bureau.transfers.tables
import shared.audit.tables
import shared.messaging.tables
from shared.database import metadata

__all__ = ["metadata"]
