"""A whole performance: residents registered, the story played under the eyes of the gauge, its outcome checked."""

from dataclasses import dataclass, field

from services.harness.gauge import UNREADABLE, Gauge, Reading
from services.harness.registers import import_file
from services.harness.stories.outcome import check_outcome
from services.harness.stories.player import PATIENCE_SECONDS, Player, Row, StoryFailed
from services.harness.stories.script import Script, residents_file
from services.harness.stories.stage import Stage
from services.harness.stories.telling import StoryTeller
from shared.database import DatabaseDown, OutcomeUnknown
from shared.identifiers.texts import N_


@dataclass(slots=True)
class Performance:
    """What came of it: the steps, the ids of the cases by name, what the gauge saw (None: it never looked), and why it failed."""

    story: str
    rows: list[Row] = field(default_factory=list)
    case_ids: dict[str, str] = field(default_factory=dict)
    reading: Reading | None = None
    failure: StoryFailed | None = None


async def register_residents(stage: Stage, script: Script) -> int:
    """Import the story's residents at every bureau that has a file, on the story's first day; gives how many. StoryFailed."""
    stage.set_clock(script.parts[0].step.at)
    count = 0
    for bureau, file in script.residents.items():
        try:
            report = await import_file(stage.registers[bureau], file, business_clock=stage.business_clock)
        except (DatabaseDown, OutcomeUnknown) as error:
            raise StoryFailed(N_("the database of {bureau} does not answer: {error}"), bureau=bureau, error=str(error)) from error
        if report.faults:
            first = report.faults.kept[0]
            message = N_("{file}, line {line}, {field}: {fault}")
            values = {"file": residents_file(bureau), "field": first.fault.field, "fault": first.fault.in_english()}
            raise StoryFailed(message, line=first.line, **values)
        count += report.rows
    return count


async def perform(
    stage: Stage, script: Script, teller: StoryTeller, *, patience_seconds: float = PATIENCE_SECONDS
) -> Performance:
    """Play the story and check what it must leave; what goes wrong is in the result."""
    done = Performance(script.name)
    try:
        await register_residents(stage, script)
        teller.begins(script)
        await _watched(stage, script, teller, done, patience_seconds)
    except StoryFailed as failure:
        done.failure = failure
    return done


async def _watched(stage: Stage, script: Script, teller: StoryTeller, done: Performance, patience_seconds: float) -> None:
    async with Gauge(stage.registers) as gauge:
        done.reading = gauge.reading
        player = Player(stage, script, teller, patience_seconds=patience_seconds)
        done.rows, done.case_ids = player.rows, player.case_ids
        gauge.watch(script.persons)
        await player.play()
        teller.write()
        await check_outcome(stage, script, player, teller)
        try:
            await gauge.sweep()
        except UNREADABLE as error:
            raise StoryFailed(N_("the gauge cannot read the registers: {error}"), error=str(error)) from error
        _require_clean(gauge.reading)
        teller.measured(gauge.reading)


def _require_clean(reading: Reading) -> None:
    if not reading.samples:
        raise StoryFailed(N_("the gauge has seen no instant at which all four registers could be read"))
    if not reading.is_clean:
        seen = [*reading.none.values(), *reading.many.values()][0]
        told = ", ".join(f"{one.bureau} {one.kind} ({one.epoch})" for one in seen) or "-"
        message = N_("the gauge has seen persons answered for by nobody ({none}) or by several ({many}); one of them: {seen}")
        raise StoryFailed(message, seen=told, **reading.counts())
