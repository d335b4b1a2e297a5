"""Every table of a node, gathered for Alembic: importing this fills `shared.database.metadata`."""

import services.bureau.access.tables  # its tables join the metadata
import services.bureau.population.tables  # its tables join the metadata
import services.bureau.stations.tables  # its tables join the metadata
import services.bureau.transfers.tables  # noqa: F401  # its tables join the metadata
import shared.audit.tables  # its tables join the metadata
import shared.messaging.tables  # noqa: F401  # its tables join the metadata
from shared.database import metadata

__all__ = ["metadata"]
