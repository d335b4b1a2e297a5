"""What must be true when a story has ended: every bureau is asked who answers for each person, by sealed question."""

import time

from services.bureau.access.callers import Role
from services.bureau.access.rules import HOUSEHOLD_TRANSFER
from services.harness.network import BUREAUS
from services.harness.stories.player import PATIENCE_SECONDS, Audience, Player, StoryFailed
from services.harness.stories.script import Script
from services.harness.stories.stage import Stage
from shared.contract.codes import Standing
from shared.contract.questions import Asker, PersonStatus, PersonStatusAnswer
from shared.identifiers.texts import N_
from shared.peers import PeerError

HARNESS_PSEUDONYM = "quanyu-harness-story"
PRESENT = frozenset({Standing.HERE, Standing.IN_TRANSIT, Standing.ARRIVING})

Answers = dict[str, PersonStatusAnswer]


async def check_outcome(stage: Stage, script: Script, player: Player, audience: Audience) -> None:
    """Exactly one register answers for each person, the one of the story's outcome, and the answers lead to it.

    Raises StoryFailed."""
    for outcome in script.story.outcomes:
        case = script.cases[outcome.case]
        for place, person in enumerate(case.persons, 1):
            answers = {bureau: await _ask(stage, bureau, person, player.case_ids[outcome.case]) for bureau in BUREAUS}
            told: dict[str, str | int] = {"case": outcome.case, "place": place, "answers": _told(answers)}
            present = [bureau for bureau, answer in answers.items() if answer.kind in PRESENT]
            if present != [outcome.holder]:
                message = N_("case {case}, member {place}: not {holder} alone answers: {answers}")
                raise StoryFailed(message, holder=outcome.holder, **told)
            if case.origin != outcome.holder and not _leads(answers[case.origin], answers[outcome.holder], outcome.holder):
                message = N_("case {case}, member {place}: the answers do not lead from {origin} to {holder}: {answers}")
                raise StoryFailed(message, origin=case.origin, holder=outcome.holder, **told)
            audience.holds(N_("case {case}, member {place}: asked, the four registers say: {answers}"), **told)


async def _ask(stage: Stage, asked: str, person: str, case: str) -> PersonStatusAnswer:
    """What `asked` says of the person to another bureau."""
    asking = next(bureau for bureau in BUREAUS if bureau != asked)
    asker = Asker(officer=HARNESS_PSEUDONYM, role=Role.COUNTER, purpose=HOUSEHOLD_TRANSFER, case=case)
    question, ends_at = PersonStatus(citizen_id_no=person), time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            answer = await stage.ask(asking, asked, question, asker=asker, answer=PersonStatusAnswer)
        except PeerError as error:
            if time.monotonic() > ends_at:
                raise StoryFailed(N_("{bureau} answers no question: {error}"), bureau=asked, error=str(error)) from error
            await stage.turn()
        else:
            if not isinstance(answer, PersonStatusAnswer):
                raise AssertionError("the client has checked the kind of the answer")
            return answer


def _leads(origin: PersonStatusAnswer, here: PersonStatusAnswer, holder: str) -> bool:
    """The origin says "moved", whereto, and shows the destination's signed settlement; the new registration is the next one."""
    return (
        origin.kind is Standing.MOVED
        and origin.counterpart == holder
        and origin.proof is not None
        and here.epoch == (origin.epoch or 0) + 1
    )


def _told(answers: Answers) -> str:
    return ", ".join(
        f"{bureau} {answer.kind.value}"
        + (f" -> {answer.counterpart}" if answer.counterpart else "")
        + (f" ({answer.epoch})" if answer.epoch else "")
        for bureau, answer in answers.items()
    )
