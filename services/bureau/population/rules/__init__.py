"""Pure decisions of the register: no session, clock or I/O."""

from services.bureau.population.rules.errors import HoldRefused, HouseholdRefused, NotInRegister, RegisterRefused, RowRefused
from services.bureau.population.rules.register import (
    Change,
    HoldRow,
    HouseholdRow,
    ResidentRow,
    RowState,
    changes_between,
    next_household_no,
    require_row_change,
)
from services.bureau.population.rules.relations import (
    OTHER_RELATIVE,
    RELATION_LABELS,
    RelationCode,
    booklet_order,
    can_be_head,
    relation_to_new_head,
)

__all__ = [
    "OTHER_RELATIVE",
    "RELATION_LABELS",
    "Change",
    "HoldRefused",
    "HoldRow",
    "HouseholdRefused",
    "HouseholdRow",
    "NotInRegister",
    "RegisterRefused",
    "RelationCode",
    "ResidentRow",
    "RowRefused",
    "RowState",
    "booklet_order",
    "can_be_head",
    "changes_between",
    "next_household_no",
    "relation_to_new_head",
    "require_row_change",
]
