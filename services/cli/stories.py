"""`quanyu demo` and `quanyu story`."""

from pathlib import Path
from typing import Annotated

import typer

from services.cli.common import (
    DEMO_FOLDER,
    FAILED,
    KafkaOption,
    PostgresOption,
    RunFolderOption,
    StackOption,
    existing,
    language_of,
)
from services.harness.demo import RESIDENTS, Demo, run_demo
from services.harness.stack import StackError
from services.harness.stories.casting import read_script
from services.harness.stories.player import StoryFailed
from services.harness.stories.runs import run_story
from services.harness.stories.script import ScriptRefused, story_names
from services.harness.stories.telling import JsonTeller, StoryTeller, Teller, last_line
from shared.identifiers.texts import N_
from shared.web.problems import fault_body

DEMO_HELP = N_(
    "Start four bureaus as four processes, fill their registers, play the story of Ms Wang, check its outcome, and stay up to"
    " look around until Ctrl-C. The run folder is emptied first."
)
DEMO_EXAMPLE = N_("Examples: quanyu demo; quanyu demo --by-hand; quanyu demo --once; quanyu demo --stack kafka")
STORY_HELP = N_(
    "Play one story (wang, talent, hefei-only) on four bureaus of its own: a temporary run folder, free ports; everything stops"
    " in the end."
)
INTERRUPTED = N_("interrupted; everything has stopped")
STORY_EXAMPLE = N_(
    "Examples: quanyu story wang; quanyu story talent --stack kafka --json; quanyu story wang --input DIR, where DIR is a copy of"
    " services/harness/stories/wang with another person's application.json and residents-*.csv"
)


def add_to(app: typer.Typer) -> None:
    app.command("demo", help=DEMO_HELP, epilog=DEMO_EXAMPLE)(demo)
    app.command("story", help=STORY_HELP, epilog=STORY_EXAMPLE)(story)


def demo(
    context: typer.Context,
    stack: StackOption = "embedded",
    once: Annotated[bool, typer.Option("--once", help=N_("end after the story: exit code 0 when it was complete"))] = False,
    by_hand: Annotated[bool, typer.Option("--by-hand", help=N_("play nothing: the pages are yours to play on"))] = False,
    folder: RunFolderOption = DEMO_FOLDER,
    residents: Annotated[int, typer.Option(min=0, max=1_000_000, help=N_("synthetic residents at each bureau"))] = RESIDENTS,
    postgres_url: PostgresOption = None,
    kafka_bootstrap: KafkaOption = None,
) -> None:
    servers = existing(postgres_url, kafka_bootstrap)
    wanted = Demo(folder=folder, stack=stack, existing=servers, once=once, by_hand=by_hand, residents=residents)
    if not run_demo(wanted, StoryTeller(language_of(context))):
        raise typer.Exit(FAILED)


def _known_story(name: str) -> str:
    if name not in story_names():
        raise typer.BadParameter(f"{name!r}: {', '.join(story_names())}")
    return name


def story(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help=N_("wang, talent or hefei-only"), callback=_known_story)],
    stack: StackOption = "embedded",
    folder: Annotated[
        Path | None,
        typer.Option(
            "--input",
            exists=True,
            file_okay=False,
            help=N_("folder with the story's files for another person: application.json, residents-<bureau>.csv, story.toml"),
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help=N_("tell each step as JSON on standard error, and the result as the last line of the output")
        ),
    ] = False,
    postgres_url: PostgresOption = None,
    kafka_bootstrap: KafkaOption = None,
) -> None:
    language = language_of(context)
    teller = JsonTeller(language) if as_json else StoryTeller(language)
    try:
        script = read_script(name, folder)
    except ScriptRefused as refused:
        if as_json:
            print(last_line(name, [], None, StoryFailed("{faults}", faults=str(refused))), flush=True)
        raise
    try:
        done = run_story(script, teller, stack=stack, existing=existing(postgres_url, kafka_bootstrap))
    except (StackError, KeyboardInterrupt) as error:
        if as_json:
            failure = StoryFailed(error.message, **error.values) if isinstance(error, StackError) else StoryFailed(INTERRUPTED)
            print(last_line(name, [], None, failure), flush=True)
        if isinstance(error, StackError):
            raise
        teller.say(INTERRUPTED)
        raise typer.Exit(FAILED) from None
    teller.ended(done.failure)
    if as_json:
        print(last_line(name, done.rows, done.reading, done.failure), flush=True)
    if done.failure is not None:
        raise typer.Exit(FAILED)


def tell_faults(refused: ScriptRefused, teller: Teller) -> None:
    """Every fault of a story's files: file, line, field, what is wrong and who says so."""
    teller.say(N_("the story cannot be played: {count} faults in its files"), count=len(refused.faults))
    for one in refused.faults:
        body = fault_body(one.fault)
        place = f"{one.file}:{one.line}" if one.line else one.file
        texts = (body["zh"], body["en"]) if teller.language == "zh" else (body["en"], body["zh"])
        teller.write(f"{place}: {one.fault.field + ': ' if one.fault.field else ''}{texts[0]} / {texts[1]} [{one.fault.source}]")
