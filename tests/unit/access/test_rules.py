"""Everybody against everything: the rule table, compared with what was written down by hand."""

import csv
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from services.bureau.access import rules
from services.bureau.access.callers import CITIZEN, OFFICER_ROLES, Citizen, Officer, Peer, Post, Role
from services.bureau.access.rules import ACTIONS, PURPOSES, RULES, Denied, Facts, Grant, NotSteppedUp, decide, reach

HERE = Path(__file__).parent
DAY = date(2020, 11, 20)
LETTERS = {"T": "household_transfer", "S": "supervision", "O": "operations"}
PURPOSES_TRIED = (None, *LETTERS.values(), "curiosity")
OWN = Facts(station_code="310116520000", division_code="310116", bureau="shanghai")
OBJECTS = {
    "own station": OWN,
    "own region": replace(OWN, station_code="310116530000"),
    "own bureau": replace(OWN, station_code="310117520000", division_code="310117"),
    "other bureau": Facts(station_code="330482520000", division_code="330482", bureau="zhejiang"),
    "unknown": Facts(),
}
WITHIN = {
    "station": {"own station"},
    "region": {"own station", "own region"},
    "bureau": {"own station", "own region", "own bureau"},
    "federation": set(OBJECTS),
}


def read_expected(name: str) -> list[dict[str, str]]:
    lines = [line for line in (HERE / name).read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


OF_CITIZENS = "transfers.track"
OFFICERS = read_expected("expected_officers.csv")
PEERS = read_expected("expected_peers.csv")


def read_purposes(cell: str) -> tuple[set[str], str | None]:
    """The purposes allowed, and the one that is assumed."""
    assumed = next((LETTERS[cell[at - 1]] for at, sign in enumerate(cell) if sign == "*"), None)
    return {LETTERS[sign] for sign in cell if sign != "*"}, assumed


def officer(role: str, *, stepped_up: bool = True) -> Officer:
    return Officer("D31001", "shanghai", "张三（演示）", Post("310116520000", role, "310116"), stepped_up=stepped_up)


def peer(role: str, purpose: str = "household_transfer", case: str | None = "QY1") -> Peer:
    return Peer("zhejiang", role, purpose, case)


def is_allowed(caller: Officer | Peer, action: str, facts: Facts) -> Grant | None:
    try:
        return decide(caller, action, facts, DAY)
    except Denied:
        return None


def officer_cells() -> Iterator[tuple[str, str, str, bool]]:
    for row in OFFICERS:
        for role in sorted(OFFICER_ROLES):
            yield row["action"], str(role), row[role], row["open_case"] == "yes"


@pytest.mark.parametrize(("action", "role", "cell", "needs_case"), list(officer_cells()))
def test_officer_may_exactly_what_is_written_down(action: str, role: str, cell: str, needs_case: bool) -> None:
    how_far, _, letters = cell.partition(":")
    allowed, assumed = read_purposes(letters)
    for place, facts in OBJECTS.items():
        for purpose in PURPOSES_TRIED:
            for case_open in (True, False, None):
                grant = is_allowed(officer(role), action, replace(facts, purpose=purpose, case_open=case_open))
                expected = bool(cell) and place in WITHIN[how_far] and (purpose or assumed) in allowed
                expected = expected and (case_open is True or not needs_case)
                assert (grant is not None) == expected, (place, purpose, case_open)
                if grant is not None:
                    assert grant.purpose == (purpose or assumed)


@pytest.mark.parametrize("row", OFFICERS, ids=lambda row: row["action"])
def test_second_factor_is_needed_for_exactly_what_is_written_down(row: dict[str, str]) -> None:
    action = row["action"]
    for role in sorted(role for role in OFFICER_ROLES if row[role]):
        allowed, assumed = read_purposes(row[role].partition(":")[2])
        facts = replace(OWN, case_open=True, purpose=assumed or min(allowed))
        assert is_allowed(officer(role), action, facts) is not None
        if not row["step_up"]:
            assert is_allowed(officer(role, stepped_up=False), action, facts) is not None
            continue
        with pytest.raises(NotSteppedUp):
            decide(officer(role, stepped_up=False), action, facts, DAY)
        with pytest.raises(NotSteppedUp):  # before any object is known
            reach(officer(role, stepped_up=False), action, DAY)


def test_who_may_not_is_not_asked_for_a_second_factor_either() -> None:
    with pytest.raises(Denied) as denied:
        decide(officer("auditor", stepped_up=False), "transfers.seal", OWN, DAY)
    assert not isinstance(denied.value, NotSteppedUp)


def peer_cells() -> Iterator[tuple[dict[str, str], str]]:
    for row in PEERS:
        for role in Role:
            yield row, str(role)


@pytest.mark.parametrize(("row", "role"), list(peer_cells()))
def test_peer_may_ask_exactly_what_is_written_down(row: dict[str, str], role: str) -> None:
    allowed, assumed = read_purposes(row[role])
    for purpose in (purpose or "" for purpose in PURPOSES_TRIED):
        for case in ("QY1", None):
            grant = is_allowed(peer(role, purpose, case), row["action"], Facts())
            expected = (purpose or assumed) in allowed and (case is not None or row["case"] != "yes")
            assert (grant is not None) == expected, (purpose, case)


def test_expected_tables_name_every_action_of_the_rules() -> None:
    assert {row["action"] for row in OFFICERS + PEERS} | {OF_CITIZENS} == ACTIONS


@pytest.mark.parametrize("row", OFFICERS, ids=lambda row: row["action"])
def test_peer_may_do_nothing_that_officers_do(row: dict[str, str]) -> None:
    for role in Role:
        facts = replace(OWN, case_open=True)
        assert is_allowed(peer(role), row["action"], facts) is None


@pytest.mark.parametrize("row", PEERS, ids=lambda row: row["action"])
def test_officer_of_ours_may_not_use_a_peers_door(row: dict[str, str]) -> None:
    for role in Role:
        facts = replace(OWN, purpose="household_transfer", case_open=True)
        assert is_allowed(officer(role), row["action"], facts) is None


def test_a_citizen_may_follow_the_proved_case_and_do_nothing_else() -> None:
    citizen = Citizen("QY1")
    facts = replace(OWN, purpose="household_transfer", case_open=True)
    for action in sorted(ACTIONS):
        for apply_no in ("QY1", "QY2", None):
            allowed = True
            try:
                decide(citizen, action, replace(facts, apply_no=apply_no), DAY)
            except Denied:
                allowed = False
            assert allowed == (action == OF_CITIZENS and apply_no == "QY1"), (action, apply_no)
    for role in Role:
        own_case = replace(facts, apply_no="QY1")
        assert is_allowed(officer(role), OF_CITIZENS, own_case) is None
        assert is_allowed(peer(role), OF_CITIZENS, own_case) is None


def test_action_without_rule_is_denied_to_everybody() -> None:
    for role in Role:
        assert is_allowed(officer(role), "transfers.delete", OWN) is None
        assert is_allowed(peer(role), "transfers.delete", OWN) is None


def test_role_that_nobody_knows_may_nothing() -> None:
    assert all(is_allowed(officer("commissioner"), action, replace(OWN, case_open=True)) is None for action in ACTIONS)


def test_denial_names_who_may() -> None:
    with pytest.raises(Denied) as denied:
        decide(officer("counter"), "transfers.approve_talent", OWN, DAY)
    assert denied.value.roles == ("hrss", "population_office")
    assert "counter" in denied.value.reason


def test_rule_holds_from_its_first_to_its_last_day(monkeypatch: pytest.MonkeyPatch) -> None:
    dated = next(rule for rule in RULES if rule.action == "transfers.seal")
    first, last = date(2020, 10, 14), date(2020, 12, 31)
    monkeypatch.setattr(rules, "RULES", (replace(dated, valid=(first, last)),))
    for day, allowed in ((first, True), (last, True), (date(2020, 10, 13), False), (date(2021, 1, 1), False)):
        if allowed:
            assert decide(officer("verifier"), "transfers.seal", OWN, day).purpose == "household_transfer"
        else:
            with pytest.raises(Denied, match="in force"):
                decide(officer("verifier"), "transfers.seal", OWN, day)


def test_successor_of_an_expired_rule_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    dated = next(rule for rule in RULES if rule.action == "transfers.seal")
    old, new = replace(dated, valid=(None, date(2020, 12, 31))), replace(dated, valid=(date(2021, 1, 1), None), basis="new")
    monkeypatch.setattr(rules, "RULES", (old, new))
    assert decide(officer("verifier"), "transfers.seal", OWN, date(2021, 2, 1)).rule.basis == "new"


def test_purpose_of_the_caller_counts_where_the_facts_name_none() -> None:
    caller = replace(officer("verifier"), purpose="supervision")
    facts = replace(OWN, case_open=True)
    assert decide(caller, "population.read", facts, DAY).purpose == "supervision"
    assert decide(caller, "population.read", replace(facts, purpose="household_transfer"), DAY).purpose == "household_transfer"
    with pytest.raises(Denied, match="supervision"):
        decide(caller, "transfers.seal", OWN, DAY)


def test_purpose_that_a_peer_signed_cannot_be_replaced() -> None:
    facts = Facts(purpose="household_transfer")
    with pytest.raises(Denied, match="curiosity"):
        decide(peer("counter", "curiosity"), "transfers.question.person_status", facts, DAY)


def test_no_two_rules_speak_of_one_role_and_action() -> None:
    spoken = [(rule.action, rule.callers, role) for rule in RULES for role in rule.roles]
    assert len(spoken) == len(set(spoken))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.action}-{rule.scope}")
def test_rule_uses_known_words_and_names_its_basis(rule: rules.Rule) -> None:
    known = {Officer: OFFICER_ROLES, Peer: frozenset(Role), Citizen: frozenset({CITIZEN})}
    assert rule.roles <= known[rule.callers]
    assert rule.purposes
    assert rule.purposes <= PURPOSES
    assert rule.implied is None or rule.implied in rule.purposes
    assert rule.basis
    assert not (rule.step_up and rule.callers is not Officer)  # nobody asks a peer's officer, or a citizen


def test_reach_tells_how_far_a_list_may_go() -> None:
    assert reach(officer("counter"), "transfers.read", DAY).scope is rules.Scope.STATION
    assert reach(officer("hrss"), "transfers.read", DAY).scope is rules.Scope.REGION
    with pytest.raises(Denied):
        reach(officer("auditor"), "transfers.read", DAY)


def test_operator_sees_the_state_of_a_case_and_no_person() -> None:
    case = {
        "case": "1",
        "apply_no": "QY3101162020112000000110",
        "state": "SEALED",
        "applicant": {"name": "王某"},
        "members": [{"place": 1, "state": "O:SEALED", "epoch": 2, "name": "王某", "citizen_id_no": "310116199001011239"}],
    }
    seen = decide(officer("operator"), "transfers.read", OWN, DAY).filtered(case)
    assert seen == {
        "case": "1",
        "apply_no": "QY3101162020112000000110",
        "state": "SEALED",
        "members": [{"place": 1, "state": "O:SEALED", "epoch": 2}],
    }


def test_counter_officer_sees_all_fields_of_his_stations_case() -> None:
    case = {"applicant": {"name": "王某"}, "anything": 1}
    assert decide(officer("counter"), "transfers.read", OWN, DAY).filtered(case) == case
