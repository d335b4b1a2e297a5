"""Relations to the head of a household (与户主关系, GB/T 4761): the order of the booklet, and what a new head makes of them."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from services.bureau.population.rules.register import ResidentRow
from services.bureau.population.tables import HEAD_RELATION, RowKind
from shared.contract.fields import CODE_MAX_CHARS, Code
from shared.identifiers.texts import N_

OTHER_RELATIVE: Final = "97"
"""其他亲属: what is written until somebody looks closer."""

# First digit of the code -> place in the booklet (domain.md 4.4(d)): 户主, 配偶, 子女, 孙子女, 父母, 祖父母/外祖父母, 兄弟姐妹,
# 旁系和其他.
BOOKLET_ORDER: Final = {"0": 0, "1": 1, "2": 2, "3": 2, "4": 3, "5": 4, "6": 5, "7": 6, "8": 7, "9": 7}
RELATIONS: Final = frozenset(code for code in (f"{number:02d}" for number in range(2, 100)) if code[0] in BOOKLET_ORDER)
"""Relations to the head (GB/T 4761), the head's own among them; 01 is "self" and names no relation."""
RELATION_LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "02": N_("head of household"),
        "11": N_("husband"),
        "12": N_("wife"),
        "20": N_("son"),
        "30": N_("daughter"),
        "40": N_("grandchild"),
        "51": N_("father"),
        "52": N_("mother"),
        "60": N_("grandparent"),
        "70": N_("sibling"),
        "97": N_("other relative"),
    }
)
"""The relations of GB/T 4761 that pages call by name; the others are shown as their code."""
_MALE = "1"
# (class of the new head, class of the member) as the old head saw them -> what the member is to the new head, (male, not male).
# "head" is the old head. Only the close family; the rest becomes OTHER_RELATIVE.
_SPOUSE, _CHILD, _PARENT, _SIBLING = ("11", "12"), ("20", "30"), ("51", "52"), ("70", "70")
_GRANDCHILD, _GRANDPARENT = ("40", "40"), ("60", "60")
_SEEN_ANEW: Final = {
    ("spouse", "head"): _SPOUSE,
    ("spouse", "child"): _CHILD,
    ("spouse", "grandchild"): _GRANDCHILD,
    ("child", "head"): _PARENT,
    ("child", "spouse"): _PARENT,
    ("child", "child"): _SIBLING,
    ("child", "parent"): _GRANDPARENT,
    ("parent", "head"): _CHILD,
    ("parent", "parent"): _SPOUSE,
    ("parent", "sibling"): _CHILD,
    ("parent", "child"): _GRANDCHILD,
    ("sibling", "head"): _SIBLING,
    ("sibling", "parent"): _PARENT,
    ("sibling", "sibling"): _SIBLING,
    ("grandchild", "head"): _GRANDPARENT,
    ("grandchild", "spouse"): _GRANDPARENT,
    ("grandparent", "head"): _GRANDCHILD,
}
# Related by marriage only: nothing follows from these.
_IN_LAW: Final = frozenset({"28", "38", "45", "46", "53", "54", "55", "56", "72", "74", "76", "78"})
_CLASSES: Final = {
    "1": "spouse",
    "2": "child",
    "3": "child",
    "4": "grandchild",
    "5": "parent",
    "6": "grandparent",
    "7": "sibling",
}


def _relation(code: str) -> str:
    if code not in RELATIONS:
        message = N_("code {code} is not in the table")
        raise PydanticCustomError("code", message, {"code": code[:CODE_MAX_CHARS], "source": "GB/T 4761", "msgid": message})
    return code


RelationCode = Annotated[Code, AfterValidator(_relation)]


def booklet_order(members: Iterable[ResidentRow]) -> list[ResidentRow]:
    """Members as the booklet lists them; within one relation the elder first."""
    return sorted(members, key=lambda row: (BOOKLET_ORDER.get(row.relation_code[:1], 7), row.personal.born_on, row.id.bytes))


def relation_to_new_head(member: ResidentRow, new_head: ResidentRow) -> str:
    """The member's code once `new_head` is the head; both still have their codes towards the old one.

    97 (other relative) where the old codes do not lead to one: the officer corrects it from the papers."""
    if member.id == new_head.id:
        return HEAD_RELATION
    seen = _SEEN_ANEW.get((_class_of(new_head.relation_code), _class_of(member.relation_code)))
    if seen is None:
        return OTHER_RELATIVE
    return seen[0] if member.personal.sex == _MALE else seen[1]


def _class_of(relation_code: str) -> str:
    if relation_code == HEAD_RELATION:
        return "head"
    return "other" if relation_code in _IN_LAW else _CLASSES.get(relation_code[:1], "other")


def can_be_head(row: ResidentRow) -> bool:
    """A head is registered here and not about to leave."""
    return row.kind is RowKind.ACTIVE
