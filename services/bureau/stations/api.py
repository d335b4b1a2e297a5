"""Stations of all bureaus, as their directories say."""

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from services.bureau.access.calls import Call, act
from services.bureau.access.rules import Facts
from services.bureau.stations import acts
from services.bureau.stations.rules import is_registration_station
from shared.contract.records import Station
from shared.database import Session
from shared.identifiers.bureau import BureauCode

router = APIRouter(prefix="/api/v1", tags=["stations"])


class StationView(Station):
    """A listed unit; only a registration station keeps a register, and can be origin or destination of a transfer."""

    is_registration_station: bool


class DirectoryView(BaseModel):
    """One bureau's list, as last published."""

    bureau: str
    version: int
    published_at: datetime
    stations: list[StationView]


@router.get("/stations", summary="Stations of all bureaus, or of one", response_model=list[DirectoryView])
async def read_stations(
    call: Annotated[Call, Depends(act("stations.read"))],
    bureau: Annotated[BureauCode | None, Query(examples=["zhejiang"])] = None,
    on: Annotated[date | None, Query(description="only units open on that day", examples=["2020-11-20"])] = None,
) -> list[DirectoryView]:
    """Other bureaus' lists are copies of what they published; the higher version wins."""

    async def unit(session: Session) -> list[DirectoryView]:
        call.decide(Facts())
        return [_view(one, on) for one in await acts.directories(session) if bureau in (None, one.bureau)]

    return await call.read(unit)


def _view(found: acts.Directory, on: date | None) -> DirectoryView:
    shown = [
        StationView(**one.model_dump(), is_registration_station=is_registration_station(one.code))
        for one in found.stations
        if on is None or (one.valid_from <= on and (one.valid_until is None or on <= one.valid_until))
    ]
    return DirectoryView(bureau=found.bureau, version=found.version, published_at=found.published_at, stations=shown)
