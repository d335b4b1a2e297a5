"""省 → 市 → 区 → 派出所: of the stations that a bureau publishes, those that one select can show. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.contract.records import Station
from shared.identifiers.division import division_name, full_division_name, is_known_division

AT_ONCE = 40  # stations in one select: more is looked through by division; a province has two thousand


@dataclass(frozen=True, slots=True)
class Places:
    """What is offered for choice. A level of which there is only one, or that nobody needs, has no options."""

    prefectures: Mapping[str, str]
    prefecture: str
    districts: Mapping[str, str]
    district: str
    stations: Mapping[str, Sequence[Station]]
    """By the name of the division in which they register."""
    any_prefecture: bool
    """So few stations that they are listed before a prefecture is chosen."""
    published: bool

    @property
    def wanted(self) -> str:
        """Which level has to be chosen before stations are shown: "prefecture", "district", or "" when they are."""
        if self.stations or not self.published:
            return ""
        return "district" if self.districts else "prefecture"


def narrowed(stations: Sequence[Station], prefecture: str, district: str) -> Places:
    """The choices after these choices; what is not among the choices above it counts as not chosen."""
    prefectures = _named({f"{one.division_code[:4]}00" for one in stations})
    any_prefecture = len(stations) <= AT_ONCE
    chosen = prefecture if prefecture in prefectures else ""
    within = [one for one in stations if not chosen or one.division_code.startswith(chosen[:4])]
    settled = bool(chosen) or len(prefectures) <= 1
    districts = _named({one.division_code for one in within}) if settled and len(within) > AT_ONCE else {}
    chosen_district = district if district in districts else ""
    if chosen_district:
        within = [one for one in within if one.division_code == chosen_district]
    elif districts or not (settled or any_prefecture):
        within = []
    groups: dict[str, list[Station]] = {}
    for one in sorted(within, key=lambda one: (one.division_code, one.code)):
        groups.setdefault(_full(one.division_code), []).append(one)
    return Places(
        prefectures=prefectures if len(prefectures) > 1 else {},
        prefecture=chosen,
        districts=districts,
        district=chosen_district,
        stations=groups,
        any_prefecture=any_prefecture,
        published=bool(stations),
    )


def _named(codes: set[str]) -> dict[str, str]:
    """By their names, in the order of codes; a division that our list does not know is shown by its code."""
    return {code: division_name(code) if is_known_division(code) else code for code in sorted(codes)}


def _full(code: str) -> str:
    return full_division_name(code) if is_known_division(code) else code
