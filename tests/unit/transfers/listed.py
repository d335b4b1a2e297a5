"""A list of stations that a bureau could publish."""

from datetime import date

from shared.contract.records import Station


def stations(division: str, count: int) -> list[Station]:
    return [
        Station(
            code=f"{division}{number:04d}00",
            name=f"演示第{number}派出所",
            address="演示路",
            division_code=division,
            longitude=121,
            latitude=31,
            valid_from=date(1996, 7, 1),
        )
        for number in range(1, count + 1)
    ]
