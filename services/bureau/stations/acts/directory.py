"""Our own stations and posts from the province's files, the lists that others published, and who may work where."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from services.bureau.access.callers import Post
from services.bureau.stations.acts.told import tell_peers
from services.bureau.stations.rules import SUCCESSORS_MAX, OwnPost, follow, predecessors, read_posts, read_stations
from services.bureau.stations.tables import directory, directory_told, post, station
from shared.audit import AuditEntry, write_audit
from shared.contract.messages import DirectoryPublished
from shared.contract.records import Station
from shared.database import Session
from shared.identifiers.errors import Fault
from shared.identifiers.unit_code import division_of_unit
from shared.web import InvalidInput, NotFound

LOCK_OWN_LIST = select(func.pg_advisory_xact_lock(func.hashtextextended("stations.load_own", 0)))
STATIONS = select(station).where(station.c.bureau == bindparam("bureau")).order_by(station.c.code)
UNIT = select(station).where(station.c.bureau == bindparam("bureau"), station.c.code == bindparam("code"))
CLOSED = select(station.c.code, station.c.successor).where(
    station.c.bureau == bindparam("bureau"), station.c.valid_until < bindparam("day"), station.c.successor.is_not(None)
)
VERSION = select(directory.c.version).where(directory.c.bureau == bindparam("bureau"))
DIRECTORY = select(directory).where(directory.c.bureau == bindparam("bureau"))
DIRECTORIES = select(directory).order_by(directory.c.bureau)
_raise = upsert(directory)
RAISE_VERSION = _raise.on_conflict_do_update(
    index_elements=["bureau"],
    set_={"version": _raise.excluded.version, "published_at": _raise.excluded.published_at},
    where=directory.c.version < _raise.excluded.version,
).returning(directory.c.version)
DELETE_STATIONS = delete(station).where(station.c.bureau == bindparam("of_bureau"))
INSERT_STATION = insert(station)
DELETE_POSTS = delete(post)
INSERT_POST = insert(post)
POSTS = (
    select(post)
    .where(
        post.c.badge_no == bindparam("badge_no"),
        post.c.valid_from <= bindparam("day"),
        func.coalesce(post.c.valid_until, bindparam("day")) >= bindparam("day"),
    )
    .order_by(post.c.station_code, post.c.role)
)

POSTS_ON = (
    select(post)
    .where(post.c.valid_from <= bindparam("day"), func.coalesce(post.c.valid_until, bindparam("day")) >= bindparam("day"))
    .order_by(post.c.station_code, post.c.badge_no, post.c.role)
)


@dataclass(frozen=True, slots=True)
class Directory:
    """A bureau's list as it was published last."""

    bureau: str
    version: int
    published_at: datetime
    stations: tuple[Station, ...]


class UnknownStation(InvalidInput):
    """No station works under that code: unknown, closed without successor, or a unit that registers nobody."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message, values=fault.values, code=fault.rule, faults=[fault])
        self.fault = fault


class UnknownUnit(NotFound):
    """No bureau has published a unit of that code."""


async def load_own(session: Session, *, stations_csv: str, posts_csv: str) -> bool:
    """Take up the texts of the province's files at the node's start; says whether the list of stations changed.

    A changed list gets a higher version and goes to every peer (`publish_directory`). Raises ListRefused."""
    bureau = session.node.bureau
    stations = read_stations(stations_csv, bureau=bureau)
    posts = read_posts(posts_csv, stations=stations)
    await session.execute(LOCK_OWN_LIST)  # two processes of one node may start at once
    await _replace_posts(session, posts)
    if tuple(await stations_of(session, bureau)) == stations:
        return False
    before = (await session.execute(VERSION, {"bureau": bureau})).scalar_one_or_none() or 0
    # At least the time: a bureau restored from an older backup still publishes a higher version than its peers have seen.
    version = max(before + 1, int(session.node.machine_now().timestamp()))
    await _replace_list(session, bureau, version=version, stations=stations)
    return True


async def publish_directory(session: Session) -> list[str]:
    """Record our list for every peer that has not been told this version; gives those told now."""
    bureau = session.node.bureau
    own = (await session.execute(DIRECTORY, {"bureau": bureau})).one_or_none()
    if own is None:
        return []
    message = DirectoryPublished(
        bureau=bureau, version=own.version, published_at=own.published_at, stations=tuple(await stations_of(session, bureau))
    )
    return await tell_peers(session, directory_told, message)


async def take_published(session: Session, published: DirectoryPublished) -> bool:
    """Keep another bureau's list if it is newer than what we have; says whether it was."""
    return await _replace_list(
        session, published.bureau, version=published.version, stations=published.stations, published_at=published.published_at
    )


async def stations_of(session: Session, bureau: str) -> list[Station]:
    """Everything that the bureau lists, closed stations and offices included, by code."""
    return [_as_station(row) for row in await session.execute(STATIONS, {"bureau": bureau})]


async def directories(session: Session) -> list[Directory]:
    """The lists of all bureaus that we know, our own among them, by bureau."""
    found = (await session.execute(DIRECTORIES)).all()
    return [Directory(row.bureau, row.version, row.published_at, tuple(await stations_of(session, row.bureau))) for row in found]


async def find_station(session: Session, bureau: str, code: str, *, day: date) -> Station:
    """The registration station that works under `code` on `day`, following successors of closed ones; raises UnknownStation."""
    chain: dict[str, Station] = {}
    following: str | None = code
    while following is not None and following not in chain and len(chain) < SUCCESSORS_MAX:
        one = await _unit(session, bureau, following)
        if one is None:
            break
        chain[following], following = one, one.successor
    found = follow(chain, code, day)
    if isinstance(found, Fault):
        raise UnknownStation(found)
    return found


async def find_unit(session: Session, bureau: str, code: str) -> Station:
    """The listed unit of that code, an office or a closed station too, for its name; raises UnknownUnit."""
    found = await _unit(session, bureau, code)
    if found is None:
        raise UnknownUnit
    return found


async def _unit(session: Session, bureau: str, code: str) -> Station | None:
    found = (await session.execute(UNIT, {"bureau": bureau, "code": code})).one_or_none()
    return None if found is None else _as_station(found)


async def posts_of(session: Session, badge_no: str, day: date) -> Sequence[Post]:
    """The posts that an officer of ours holds on `day`."""
    rows = (await session.execute(POSTS, {"badge_no": badge_no, "day": day})).all()
    closed = {row.code: row.successor for row in await session.execute(CLOSED, {"bureau": session.node.bureau, "day": day})}
    return [
        Post(
            row.station_code,
            row.role,
            division_of_unit(row.station_code),
            row.officer_name,
            predecessors(closed, row.station_code),
        )
        for row in rows
    ]


async def posts_on(session: Session, day: date) -> Sequence[Row[Any]]:
    """All posts held on `day`, by unit and badge number: badge_no, officer_name, station_code, role."""
    return (await session.execute(POSTS_ON, {"day": day})).all()


async def _replace_list(
    session: Session, bureau: str, *, version: int, stations: Sequence[Station], published_at: datetime | None = None
) -> bool:
    at = published_at or session.node.machine_now()
    raised = await session.execute(RAISE_VERSION, {"bureau": bureau, "version": version, "published_at": at})
    if raised.first() is None:
        return False
    await session.execute(DELETE_STATIONS, {"of_bureau": bureau})
    if stations:
        await session.execute(INSERT_STATION, [{"bureau": bureau, **one.model_dump()} for one in stations])
    change = {"version": version, "stations": len(stations)}
    await write_audit(
        session, AuditEntry(action="stations.list_replaced", object_kind="directory", object_id=bureau, change=change)
    )
    return True


async def _replace_posts(session: Session, posts: Iterable[OwnPost]) -> None:
    await session.execute(DELETE_POSTS)
    rows = [
        {
            "badge_no": one.badge_no,
            "station_code": one.station_code,
            "role": one.role,
            "valid_from": one.valid_from,
            "valid_until": one.valid_until,
            "officer_name": one.name,
        }
        for one in posts
    ]
    if rows:
        await session.execute(INSERT_POST, rows)


def _as_station(row: Row[Any]) -> Station:
    values = dict(row._mapping)
    del values["bureau"]
    return Station(**values)
