"""Reason codes of the transfer. The lists are our design (assumption AS17); the texts are what officers read."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from shared.identifiers.texts import N_


class ReturnCode(StrEnum):
    """Why the origin returns a permit (退回)."""

    R01 = "R01"
    R02 = "R02"
    R03 = "R03"
    R04 = "R04"
    R05 = "R05"
    R06 = "R06"
    R07 = "R07"
    R08 = "R08"
    R09 = "R09"
    R10 = "R10"


RETURN_TEXTS: Mapping[ReturnCode, str] = MappingProxyType(
    {
        ReturnCode.R01: N_("Not found in this station's register"),
        ReturnCode.R02: N_("Name, id number or birth date differ"),
        ReturnCode.R03: N_("Already cancelled (death, moved out, military service)"),
        ReturnCode.R04: N_("Record locked or other business running"),
        ReturnCode.R05: N_("Restricted person (Household Registration Regulations, Art. 14)"),
        ReturnCode.R06: N_("The applicant, when contacted, withdraws or denies"),
        ReturnCode.R07: N_("Permit expired, void or duplicate"),
        ReturnCode.R08: N_("Wrong origin station"),
        ReturnCode.R09: N_("Accompanying members differ"),
        ReturnCode.R10: N_("Duplicate id number, to be corrected first"),
    }
)


class VoidReason(StrEnum):
    """Why the destination ends a case, or a member's part in it (作废)."""

    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"
    INVALID = "INVALID"
    RETURNED = "RETURNED"
    CANCELLED = "CANCELLED"
    UNKNOWN_CASE = "UNKNOWN_CASE"
    NOT_SIGNED = "NOT_SIGNED"


VOID_TEXTS: Mapping[VoidReason, str] = MappingProxyType(
    {
        VoidReason.WITHDRAWN: N_("The applicant withdrew"),
        VoidReason.EXPIRED: N_("The permit or the migration certificate expired"),
        VoidReason.INVALID: N_("Issued wrongly"),
        VoidReason.RETURNED: N_("The origin returned the permit"),
        VoidReason.CANCELLED: N_("The origin asked for the cancellation"),
        VoidReason.UNKNOWN_CASE: N_("The case is unknown at the destination"),
        VoidReason.NOT_SIGNED: N_("This member did not sign at the settlement"),
    }
)


class Standing(StrEnum):
    """What a register says about a person (protocol.md 3)."""

    HERE = "HERE"
    IN_TRANSIT = "IN_TRANSIT"
    MOVED = "MOVED"
    ARRIVING = "ARRIVING"
    ABSENT = "ABSENT"
