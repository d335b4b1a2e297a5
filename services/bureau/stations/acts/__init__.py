"""Stations and posts, the lists that bureaus publish of them, and when a bureau's node will not be reachable."""

from services.bureau.stations.acts.directory import (
    Directory,
    UnknownStation,
    UnknownUnit,
    directories,
    find_station,
    find_unit,
    load_own,
    posts_of,
    posts_on,
    publish_directory,
    stations_of,
    take_published,
)
from services.bureau.stations.acts.maintenance import (
    Maintenance,
    announce,
    maintenances,
    own_version,
    publish_maintenance,
    take_announced,
    withdraw,
)
from services.bureau.stations.acts.telling import publish_all, tell_anew

__all__ = [
    "Directory",
    "Maintenance",
    "UnknownStation",
    "UnknownUnit",
    "announce",
    "directories",
    "find_station",
    "find_unit",
    "load_own",
    "maintenances",
    "own_version",
    "posts_of",
    "posts_on",
    "publish_all",
    "publish_directory",
    "publish_maintenance",
    "stations_of",
    "take_announced",
    "take_published",
    "tell_anew",
    "withdraw",
]
