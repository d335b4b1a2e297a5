"""What officers and other slices do with the register: session first, in the caller's transaction, never a commit."""

from services.bureau.population.acts.changes import changes_of, write_changes
from services.bureau.population.acts.holds import Consequences, HoldPlaced, holds_of, lift_hold, person_held, place_hold
from services.bureau.population.acts.households import (
    NewHousehold,
    Placement,
    change_head,
    confirm_restoration,
    create_household,
    dissolve_household_if_empty,
    get_household,
    household_by_no,
)
from services.bureau.population.acts.importing import ImportReport, check_register_file, import_register
from services.bureau.population.acts.residents import (
    citizen_index,
    find_resident,
    get_resident,
    members_of_household,
    read_resident,
    register_arrival,
    set_row,
)

__all__ = [
    "Consequences",
    "HoldPlaced",
    "ImportReport",
    "NewHousehold",
    "Placement",
    "change_head",
    "changes_of",
    "check_register_file",
    "citizen_index",
    "confirm_restoration",
    "create_household",
    "dissolve_household_if_empty",
    "find_resident",
    "get_household",
    "get_resident",
    "holds_of",
    "household_by_no",
    "import_register",
    "lift_hold",
    "members_of_household",
    "person_held",
    "place_hold",
    "read_resident",
    "register_arrival",
    "set_row",
    "write_changes",
]
