"""The table of the transfer, its one `step`, and the check that runs when it is imported."""

import inspect
from dataclasses import replace
from datetime import timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from services.bureau.transfers import states
from services.bureau.transfers.states import (
    ANSWERS_AGAIN,
    ASKS_AGAIN,
    BEGINS,
    DESTINATION,
    HEARD_BY,
    LABELS,
    ORIGIN,
    OWES,
    SAYS,
    TERMINAL,
    TRANSFER,
    Await,
    Awaited,
    Counted,
    On,
    Owed,
    Row,
    RowKind,
    Side,
    State,
    Step,
    Table,
    TableError,
    Tables,
    check,
    epoch_of,
    says,
    step,
)
from shared.contract import messages as contract

ABSENT = Row(RowKind.ABSENT, 0)
ACTIVE = Row(RowKind.ACTIVE, 1)
IN_TRANSIT = Row(RowKind.IN_TRANSIT, 1)

APPLICATION = (State.DRAFT, State.ACCEPTED, State.SUPPLEMENT_REQUIRED, State.UNDER_REVIEW)
MESSAGES = tuple(on for on in On if on.is_message)

# The tables as the design writes them: state, on -> state, row.
DESIGNED_DESTINATION = """
    -                   MigrationCertificateIssued -> VOID
    -                   PermitReturned             -> VOID
    -                   CancellationRequested      -> VOID
    DRAFT               accept                     -> ACCEPTED
    ACCEPTED            ask supplement             -> SUPPLEMENT_REQUIRED
    SUPPLEMENT_REQUIRED supplemented               -> ACCEPTED
    ACCEPTED            submit                     -> UNDER_REVIEW
    UNDER_REVIEW        approve                    -> APPROVED
    UNDER_REVIEW        refuse                     -> REFUSED
    DRAFT               withdraw                   -> WITHDRAWN
    ACCEPTED            withdraw                   -> WITHDRAWN
    SUPPLEMENT_REQUIRED withdraw                   -> WITHDRAWN
    UNDER_REVIEW        withdraw                   -> WITHDRAWN
    APPROVED            void                       -> VOID
    APPROVED            MigrationCertificateIssued -> CERTIFIED
    APPROVED            PermitReturned             -> VOID
    APPROVED            CancellationRequested      -> VOID
    CERTIFIED           void                       -> VOID
    CERTIFIED           sign                       -> SETTLING
    CERTIFIED           CancellationRequested      -> VOID
    SETTLING            TransferClosed             -> HERE ACTIVE
"""
DESIGNED_ORIGIN = """
    -                   PermitIssued               -> RECEIVED
    -                   TransferVoided             -> VOID
    RECEIVED            certify                    -> SEALED IN_TRANSIT
    RECEIVED            return                     -> RETURNED
    RECEIVED            TransferVoided             -> VOID
    SEALED              ask cancel                 -> CANCELLING
    SEALED              TransferSettled            -> GONE MOVED
    SEALED              TransferVoided             -> RESTORED ACTIVE
    CANCELLING          TransferSettled            -> GONE MOVED
    CANCELLING          TransferVoided             -> RESTORED ACTIVE
"""


def lines(table: Table) -> set[str]:
    return {f"{state} {on} -> {new} {row or ''}".strip() for (state, on), (new, row) in table.items()}


def designed(text: str) -> set[str]:
    return {" ".join(line.split()) for line in text.splitlines() if line.strip()}


class TestTables:
    def test_the_destination_is_as_designed(self) -> None:
        assert lines(DESTINATION) == designed(DESIGNED_DESTINATION)

    def test_the_origin_is_as_designed(self) -> None:
        assert lines(ORIGIN) == designed(DESIGNED_ORIGIN)

    def test_what_is_said_asked_again_and_answered_again_is_as_designed(self) -> None:
        said = {f"{side} {state} {on}" for (side, state), on in SAYS.items()}
        assert said == {
            "destination APPROVED PermitIssued",
            "destination SETTLING TransferSettled",
            "destination VOID TransferVoided",
            "origin SEALED MigrationCertificateIssued",
            "origin CANCELLING CancellationRequested",
            "origin RETURNED PermitReturned",
            "origin GONE TransferClosed",
        }
        asking = {f"{side} {state}" for side, state in ASKS_AGAIN}
        assert asking == {"destination APPROVED", "destination SETTLING", "origin SEALED", "origin CANCELLING"}
        assert {f"{side} {state} {on}" for side, state, on in ANSWERS_AGAIN} == {
            "origin RETURNED PermitIssued",
            "origin GONE TransferSettled",
            "destination VOID MigrationCertificateIssued",
            "destination VOID CancellationRequested",
        }

    @pytest.mark.parametrize("on", MESSAGES)
    def test_a_message_is_a_class_of_the_contract(self, on: On) -> None:
        assert getattr(contract, on.value).capability == "transfers"

    def test_every_transfer_message_of_the_contract_moves_something_or_asks_for_a_reissue(self) -> None:
        classes = inspect.getmembers(
            contract, lambda found: inspect.isclass(found) and issubclass(found, contract.TransferMessage)
        )
        names = {name for name, found in classes if found is not contract.TransferMessage}
        assert names == {*MESSAGES, "ReissueRequested"}

    def test_every_state_has_a_label_and_no_two_of_a_side_the_same(self) -> None:
        assert {state for _, state in LABELS} == set(State) - {State.UNKNOWN}
        for side in Side:
            texts = [text for (of, _), text in LABELS.items() if of is side]
            assert len(texts) == len(set(texts))


class TestApplication:
    """Before the approval a case is the destination's own affair."""

    @pytest.mark.parametrize("state", APPLICATION)
    def test_it_can_be_withdrawn(self, state: State) -> None:
        assert step(Side.DESTINATION, state, ABSENT, 0, On.WITHDRAW) == Step(State.WITHDRAWN, None, 0)

    @pytest.mark.parametrize("state", [*APPLICATION, State.REFUSED, State.WITHDRAWN])
    def test_no_message_leaves_and_none_moves_it(self, state: State) -> None:
        assert says(Side.DESTINATION, state) is None
        assert not any(step(Side.DESTINATION, state, ABSENT, 0, on) for on in MESSAGES)
        assert not any(TRANSFER.answers_again(Side.DESTINATION, state, on) for on in MESSAGES)

    def test_it_reaches_the_approval_by_way_of_a_supplement(self) -> None:
        state = BEGINS[Side.DESTINATION]
        for act in (On.ACCEPT, On.ASK_SUPPLEMENT, On.SUPPLEMENTED, On.SUBMIT, On.APPROVE):
            done = step(Side.DESTINATION, state, ABSENT, 0, act)
            assert done is not None
            assert done.row is None
            state = done.state
        assert state is State.APPROVED
        assert says(Side.DESTINATION, state) == "PermitIssued"

    @pytest.mark.parametrize("state", [state for state in State if state is not State.UNDER_REVIEW])
    def test_only_what_is_under_review_is_approved(self, state: State) -> None:
        assert step(Side.DESTINATION, state, ABSENT, 0, On.APPROVE) is None


class TestStep:
    def test_sealing_puts_the_row_in_transit_and_names_the_next_epoch(self) -> None:
        sealed = step(Side.ORIGIN, State.RECEIVED, Row(RowKind.ACTIVE, 4), 0, On.CERTIFY)
        assert sealed == Step(State.SEALED, Row(RowKind.IN_TRANSIT, 4), 5)

    @pytest.mark.parametrize("kind", [kind for kind in RowKind if kind is not RowKind.ACTIVE])
    def test_sealing_needs_an_active_row(self, kind: RowKind) -> None:
        assert step(Side.ORIGIN, State.RECEIVED, Row(kind, 1), 0, On.CERTIFY) is None

    @pytest.mark.parametrize("state", [State.SEALED, State.CANCELLING])
    def test_a_settlement_moves_the_row_out(self, state: State) -> None:
        assert step(Side.ORIGIN, state, IN_TRANSIT, 2, On.TransferSettled) == Step(State.GONE, Row(RowKind.MOVED, 1), 2)

    @pytest.mark.parametrize("state", [State.SEALED, State.CANCELLING])
    def test_a_void_restores_the_row_with_its_old_epoch(self, state: State) -> None:
        assert step(Side.ORIGIN, state, IN_TRANSIT, 2, On.TransferVoided) == Step(State.RESTORED, ACTIVE, 2)

    def test_a_void_before_the_seal_leaves_the_row_alone(self) -> None:
        assert step(Side.ORIGIN, State.RECEIVED, ACTIVE, 0, On.TransferVoided) == Step(State.VOID, None, 0)

    def test_signing_binds_and_leaves_the_row_alone(self) -> None:
        assert step(Side.DESTINATION, State.CERTIFIED, ABSENT, 2, On.SIGN) == Step(State.SETTLING, None, 2)

    @pytest.mark.parametrize(
        "row",
        [
            ABSENT,
            Row(RowKind.MOVED, 1),  # the person has lived here before
        ],
    )
    def test_the_close_makes_the_row_active_with_the_new_epoch(self, row: Row) -> None:
        closed = step(Side.DESTINATION, State.SETTLING, row, 2, On.TransferClosed)
        assert closed == Step(State.HERE, Row(RowKind.ACTIVE, 2), 2)

    @pytest.mark.parametrize("epoch", [2, 3])
    def test_the_epoch_of_a_row_never_goes_down(self, epoch: int) -> None:
        closed = step(Side.DESTINATION, State.SETTLING, Row(RowKind.MOVED, epoch), 2, On.TransferClosed)
        assert closed == Step(State.HERE, None, 2)

    @pytest.mark.parametrize("on", [On.VOID, On.CancellationRequested, On.PermitReturned, On.MigrationCertificateIssued])
    def test_nothing_but_the_close_moves_a_member_who_has_signed(self, on: On) -> None:
        assert step(Side.DESTINATION, State.SETTLING, ABSENT, 2, on) is None

    @pytest.mark.parametrize(("side", "state"), [(side, state) for side in Side for state in sorted(TERMINAL[side])])
    def test_terminal_states_absorb(self, side: Side, state: State) -> None:
        assert not any(step(side, state, ACTIVE, 2, on) for on in On)

    def test_the_other_side_has_another_table(self) -> None:
        assert step(Side.ORIGIN, State.CERTIFIED, ACTIVE, 2, On.SIGN) is None
        assert step(Side.DESTINATION, State.SEALED, ACTIVE, 2, On.ASK_CANCEL) is None


class TestEpochOf:
    def test_the_certificate_brings_the_epoch(self) -> None:
        assert epoch_of(State.APPROVED, 0, On.MigrationCertificateIssued, 2) == 2
        assert epoch_of(State.UNKNOWN, 0, On.MigrationCertificateIssued, 2) == 2

    def test_a_certificate_issued_again_does_not_change_it(self) -> None:
        assert epoch_of(State.CERTIFIED, 2, On.MigrationCertificateIssued, 3) == 2

    @pytest.mark.parametrize("on", [On.TransferSettled, On.TransferClosed])
    def test_settlement_and_close_speak_of_one_registration(self, on: On) -> None:
        assert epoch_of(State.SEALED, 2, on, 2) == 2
        assert epoch_of(State.SEALED, 2, on, 3) is None
        assert epoch_of(State.SEALED, 2, on, None) is None

    def test_other_messages_name_none(self) -> None:
        assert epoch_of(State.SEALED, 2, On.TransferVoided, None) == 2

    def test_each_side_hears_what_the_other_says(self) -> None:
        to_origin = {On.PermitIssued, On.TransferSettled, On.TransferVoided}
        assert {on for on in MESSAGES if HEARD_BY[on] is Side.ORIGIN} == to_origin
        assert {on for on in MESSAGES if HEARD_BY[on] is Side.DESTINATION} == set(MESSAGES) - to_origin


class TestOwed:
    def test_the_permit_waits_a_working_day_for_the_certificate(self) -> None:
        owed = Owed(Awaited.CERTIFICATE, timedelta(days=1), Counted.WORKING_DAYS)
        assert TRANSFER.awaits(Side.DESTINATION, State.APPROVED) == Await(owed, timedelta(seconds=60), timedelta(hours=1))
        assert OWES[Side.ORIGIN, State.RECEIVED] == owed

    def test_a_signature_asks_after_a_second_and_alarms_after_ten_minutes(self) -> None:
        owed = Owed(Awaited.CLOSE, timedelta(minutes=10), Counted.MACHINE_TIME)
        assert TRANSFER.awaits(Side.DESTINATION, State.SETTLING) == Await(owed, timedelta(seconds=1), timedelta(hours=1))

    def test_a_certificate_waits_for_the_citizen_and_asks_once_a_day(self) -> None:
        owed = Owed(Awaited.SETTLEMENT, timedelta(days=30), Counted.CALENDAR_DAYS)
        assert TRANSFER.awaits(Side.ORIGIN, State.SEALED) == Await(owed, timedelta(days=1), timedelta(days=1))
        assert OWES[Side.DESTINATION, State.CERTIFIED] == owed

    def test_a_cancellation_is_answered_by_the_node_itself(self) -> None:
        waits = TRANSFER.awaits(Side.ORIGIN, State.CANCELLING)
        assert waits is not None
        assert waits.owed.what == "cancellation"
        assert "cancellation" not in {owed.what for owed in OWES.values()}

    def test_a_finished_state_waits_for_nothing(self) -> None:
        assert not any(TRANSFER.awaits(side, state) for side in Side for state in TERMINAL[side])


def at_destination(state: State, on: On, new: State) -> Tables:
    return replace(TRANSFER, destination={**DESTINATION, (state, on): (new, None)})


def answering_too(*places: tuple[Side, State, On]) -> Tables:
    return replace(TRANSFER, answered_again=ANSWERS_AGAIN | set(places))


CONTRADICTIONS = {
    "VOID is terminal, yet withdraw leads out of it": at_destination(State.VOID, On.WITHDRAW, State.DRAFT),
    "becomes SEALED, which neither ends nor leads on": at_destination(State.DRAFT, On.ACCEPT, State.SEALED),
    "becomes SEALED, which has no label": at_destination(State.DRAFT, On.ACCEPT, State.SEALED),
    "hears PermitIssued, which nobody says to it": at_destination(State.DRAFT, On.PermitIssued, State.ACCEPTED),
    "RETURNED says something, and is never entered": replace(
        TRANSFER, origin={**ORIGIN, (State.RECEIVED, On.RETURN): (State.VOID, None)}
    ),
    "CERTIFIED asks again, and says nothing": replace(
        TRANSFER, asked_again={**ASKS_AGAIN, (Side.DESTINATION, State.CERTIFIED): ASKS_AGAIN[Side.ORIGIN, State.SEALED]}
    ),
    "RESTORED answers TransferVoided again, and says nothing": answering_too((Side.ORIGIN, State.RESTORED, On.TransferVoided)),
    "APPROVED answers PermitReturned again, which changes its state": answering_too(
        (Side.DESTINATION, State.APPROVED, On.PermitReturned)
    ),
    "two bureaus would talk in circles": answering_too(
        (Side.ORIGIN, State.RETURNED, On.TransferVoided), (Side.DESTINATION, State.VOID, On.PermitReturned)
    ),
    "origin RECEIVED owes a certificate, for which nobody waits": replace(
        TRANSFER, asked_again={where: waits for where, waits in ASKS_AGAIN.items() if where[1] is not State.APPROVED}
    ),
}


class TestCheck:
    def test_the_tables_that_ship_pass(self) -> None:
        check(TRANSFER)
        assert (TRANSFER.destination, TRANSFER.origin) == (DESTINATION, ORIGIN)
        assert (TRANSFER.said, TRANSFER.asked_again, TRANSFER.answered_again) == (SAYS, ASKS_AGAIN, ANSWERS_AGAIN)

    @pytest.mark.parametrize(("complaint", "tables"), CONTRADICTIONS.items(), ids=CONTRADICTIONS)
    def test_a_contradiction_is_named(self, complaint: str, tables: Tables) -> None:
        with pytest.raises(TableError, match=complaint):
            check(tables)

    def test_it_runs_when_the_module_is_imported(self, tmp_path: Path) -> None:
        file = tmp_path / "broken_states.py"
        file.write_text(inspect.getsource(states).replace("frozenset({State.REFUSED, ", "frozenset({"), encoding="utf-8")
        spec = spec_from_file_location(file.stem, file)
        assert spec is not None
        assert spec.loader is not None
        with pytest.raises(ValueError, match="becomes REFUSED, which neither ends nor leads on"):
            spec.loader.exec_module(module_from_spec(spec))
