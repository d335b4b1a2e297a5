"""The demo: four bureaus with ten thousand residents each, the story of Ms Wang, and then an open house until Ctrl-C."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx

from services.bureau.access.callers import Role
from services.bureau.access.calls import ROLE_NAMES
from services.bureau.access.development import GRANT_TYPE
from services.bureau.stations.rules import OwnPost
from services.harness.interrupts import Interrupts, run_interruptibly
from services.harness.network import OFFICER_TOKEN_PATH
from services.harness.processes import Existing, Federation, Stack, ended_servers
from services.harness.registers import generate
from services.harness.run_folder import RunFolder
from services.harness.showing import Showing, ShowingTeller, a_post_of_each_role
from services.harness.stack import StackError
from services.harness.stories.acts import ROUTE
from services.harness.stories.casting import read_script
from services.harness.stories.performance import Performance, register_residents
from services.harness.stories.runs import play_on
from services.harness.stories.script import MAIN_CASE, Script
from services.harness.stories.stage import ProcessStage, tell_ended
from services.harness.stories.telling import StoryTeller
from shared.identifiers.texts import N_
from shared.web.texts import Texts

NO_SERVERS = Existing()
STORY = "wang"
RESIDENTS = 10_000
SEED = 1
WATCH_SECONDS = 0.5
TOKEN_SECONDS = 5.0
PRIVATE_MODE = 0o600
LOOK_AROUND = {  # role -> what is worth seeing with it; {case}: Ms Wang's
    Role.COUNTER: ROUTE + "/{case}",
    Role.VERIFIER: ROUTE + "/{case}",
    Role.POPULATION_OFFICE: ROUTE,
    Role.HRSS: "/api/v1/stations",
    Role.OPERATOR: "/api/v1/owed",
    Role.AUDITOR: "/api/v1/audit?case={case}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """How the demo is wanted. `folder` is emptied first. `once`: end after the story; `by_hand`: play nothing."""

    folder: Path
    stack: Stack = "embedded"
    existing: Existing = NO_SERVERS
    once: bool = False
    by_hand: bool = False
    residents: int = RESIDENTS


def run_demo(demo: Demo, teller: StoryTeller) -> bool:
    """Run the demo until its end; says whether the story was complete. Raises StackError; nothing is left running."""
    run = RunFolder(demo.folder)
    run.take()
    federation = Federation(run.path, stack=demo.stack, existing=demo.existing, fixed_ports=True)
    complete = False
    with Interrupts() as interrupts:
        try:
            _clear(run, federation)
            done = _play(demo, federation, teller)
            complete = done.failure is None
            if complete and not demo.once:
                _open_house(federation, teller, done.case_ids.get(MAIN_CASE))
        except KeyboardInterrupt:
            teller.write()
            teller.say(N_("stopping"))
        finally:
            interrupts.hold()
            federation.stop()
            run.release()
    teller.say(N_("everything has stopped; logs and data are in {folder} until the next demo"), folder=str(demo.folder))
    return complete


def _clear(run: RunFolder, federation: Federation) -> None:
    federation.kill_leftovers()
    federation.drop_databases()
    run.empty()


def _play(demo: Demo, federation: Federation, teller: StoryTeller) -> Performance:
    began, script = time.monotonic(), read_script(STORY)
    federation.set_business_clock(script.parts[0].step.at)
    federation.start_servers(teller.say)
    federation.start_nodes(teller.say)
    run_interruptibly(_populate(demo, federation, teller))  # while the nodes start
    federation.wait_ready()
    showing = Showing(federation, script, by_hand=demo.by_hand)
    showing.write()
    teller.say(N_("open {address}: what this is, who the people are, how to log in"), address=_front(federation, script))
    if demo.by_hand:
        run_interruptibly(_register(federation, script))
        return Performance(script.name)
    done = run_interruptibly(play_on(federation, script, ShowingTeller(teller.language, showing)))
    teller.ended(done.failure)
    teller.say(N_("{seconds} s from the start"), seconds=round(time.monotonic() - began))
    return done


def _front(federation: Federation, script: Script) -> str:
    return f"{federation.nodes[script.cases[MAIN_CASE].destination].web}/"


async def _register(federation: Federation, script: Script) -> None:
    """The people of the story, and nothing that they do."""
    stage = ProcessStage(federation)
    try:
        await register_residents(stage, script)
    finally:
        await stage.close()


async def _populate(demo: Demo, federation: Federation, teller: StoryTeller) -> None:
    teller.say(N_("registering {count} synthetic residents at each bureau"), count=demo.residents)
    for register in federation.registers().values():
        await generate(register, count=demo.residents, seed=SEED)


# ---- open house ---------------------------------------------------------------------------------------------------------


def _open_house(federation: Federation, teller: StoryTeller, case: str | None) -> None:
    """Tell how to look around, then stay up until somebody interrupts."""
    script = read_script(STORY)
    teller.write()
    teller.say(N_("four bureaus are up; open {address} in a browser:"), address=_front(federation, script))
    for bureau, node in federation.nodes.items():
        teller.write(
            f"  {bureau:9} {node.web}   {node.web}/openapi.json   {node.web}/health/ready   https://127.0.0.1:{node.ports.peer}"
        )
    teller.say(N_("look around (the tokens are good for ten hours; others: quanyu token BUREAU OFFICER):"))
    files = script.cases[MAIN_CASE]
    for bureau, station in (
        (files.destination, _station(script, files.destination)),
        (files.origin, files.form.origin.station_code),
    ):
        for post in a_post_of_each_role(bureau, station):
            header = _write_header(federation, bureau, post)
            wanted = LOOK_AROUND[Role(post.role)]
            if case is None and "{case}" in wanted:
                continue
            url = federation.nodes[bureau].web + wanted.format(case=case)
            role = ROLE_NAMES[post.role]
            teller.write(f"  # {bureau} {post.badge_no} {post.name} {Texts.zh(role)} {role}")
            teller.write(f"  curl -s -H @{header} '{url}'")
    teller.write()
    teller.say(
        N_("the business clock goes on from {at}; Ctrl-C stops everything"),
        at=str(script.parts[0 if case is None else -1].step.at.date()),
    )
    told: set[int] = set()
    told_servers: set[str] = set()
    while True:
        tell_ended(federation, told, teller.say)
        for name, tail in ended_servers(federation):
            if name not in told_servers:
                told_servers.add(name)
                teller.say(N_("{server} has ended; the end of its log:"), server=name)
                teller.write(tail)
        time.sleep(WATCH_SECONDS)


def _station(script: Script, bureau: str) -> str:
    return next(part.post.station_code for part in script.parts if part.step.bureau == bureau and part.act.name == "open")


def _write_header(federation: Federation, bureau: str, post: OwnPost) -> str:
    """A file that curl sends as a header, with the officer's token; gives its path as one would type it here."""
    form = {"grant_type": GRANT_TYPE, "officer": post.badge_no}
    address = federation.nodes[bureau].web + OFFICER_TOKEN_PATH
    try:
        answer = httpx.post(address, data=form, timeout=TOKEN_SECONDS, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        message = N_("{bureau} gives no token for {officer}: {error}")
        raise StackError(message, bureau=bureau, officer=post.badge_no, error=str(error)) from error
    folder = federation.folder / "officers"
    folder.mkdir(exist_ok=True)
    file = folder / f"{bureau}-{post.role}"
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_MODE), "w") as opened:
        opened.write(f"Authorization: Bearer {answer.json()['access_token']}\n")
    return os.path.relpath(file)
