"""A story on a stack of its own: a temporary run folder, free ports, and nothing left behind."""

from services.harness.interrupts import Interrupts, run_interruptibly
from services.harness.processes import Existing, Federation, Stack
from services.harness.run_folder import RunFolder, abandoned
from services.harness.stories.performance import Performance, perform
from services.harness.stories.script import Script
from services.harness.stories.stage import ProcessStage
from services.harness.stories.telling import StoryTeller
from shared.identifiers.texts import N_


def run_story(script: Script, teller: StoryTeller, *, stack: Stack, existing: Existing) -> Performance:
    """Start four bureaus, play, stop everything. Raises StackError, KeyboardInterrupt; nothing is left running."""
    with Interrupts() as interrupts:
        clear_abandoned(existing)
        run = RunFolder.temporary()
        federation = Federation(run.path, stack=stack, existing=existing)
        keep_logs = True
        try:
            federation.set_business_clock(script.parts[0].step.at)
            federation.start(teller.say)
            done = run_interruptibly(play_on(federation, script, teller))
            keep_logs = done.failure is not None
            return done
        except KeyboardInterrupt:
            keep_logs = False
            raise
        finally:
            interrupts.hold()
            federation.stop()
            federation.drop_databases()
            if keep_logs:
                teller.say(N_("the logs stay in {folder} until the next story begins"), folder=str(run.path))
                run.release()
            else:
                run.remove()


async def play_on(federation: Federation, script: Script, teller: StoryTeller) -> Performance:
    """Play on processes that run already."""
    stage = ProcessStage(federation, teller.say)
    try:
        return await perform(stage, script, teller)
    finally:
        await stage.close()


def clear_abandoned(existing: Existing) -> None:
    """What stories left that were killed, or that failed: their servers end, their folders go."""
    for folder in abandoned():
        left = Federation(folder.path, existing=existing)
        left.kill_leftovers()
        left.drop_databases()
        folder.remove()
