"""The stories of the program, played by the same player in one process; the real ring plays them as processes. And the gauge."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from services.harness.gauge import Gauge
from services.harness.network import Network
from services.harness.stack import PostgresServer
from services.harness.stories.acts import ROUTE
from services.harness.stories.casting import read_script
from services.harness.stories.performance import perform, register_residents
from services.harness.stories.player import Player
from services.harness.stories.script import STORIES, story_names
from services.harness.stories.stage import NetworkStage
from services.harness.stories.telling import StoryTeller

PATIENCE_SECONDS = 10.0  # in one process nothing is waited for: `turn` settles everything


@pytest.fixture
def stage(network: Network) -> NetworkStage:
    return NetworkStage(network)


@pytest.mark.parametrize("name", story_names())
async def test_story_ends_as_it_must_and_everybody_has_one_register_all_the_time(name: str, stage: NetworkStage) -> None:
    done = await perform(stage, read_script(name), StoryTeller(), patience_seconds=PATIENCE_SECONDS)
    assert done.failure is None
    assert done.reading is not None
    assert done.reading.counts() == {"none": 0, "many": 0}
    assert done.reading.samples > 0


async def test_wang_says_each_message_of_the_transfer_once(stage: NetworkStage) -> None:
    done = await perform(stage, read_script("wang"), StoryTeller(), patience_seconds=PATIENCE_SECONDS)
    assert [
        (row.bureau, row.act, row.state, row.message) for row in done.rows if "receive" in row.act or row.act == "settle"
    ] == [
        ("zhejiang", "receive PermitIssued", "RECEIVED", None),
        ("shanghai", "receive MigrationCertificateIssued", "CERTIFIED", None),
        ("shanghai", "settle", "SETTLING", "TransferSettled"),
        ("zhejiang", "receive TransferSettled", "GONE", "TransferClosed"),
        ("shanghai", "receive TransferClosed", "HERE", None),
    ]


async def test_wuhu_is_refused_naming_rule_and_date(stage: NetworkStage) -> None:
    done = await perform(stage, read_script("hefei-only"), StoryTeller(), patience_seconds=PATIENCE_SECONDS)
    refused = next(row for row in done.rows if row.act == "accept")
    assert (refused.state, refused.bureau) == ("DRAFT", "zhejiang")
    assert refused.message is not None
    for text in ("2021-06-15", "anhui-anhui-zhejiang", "2022-01-01"):
        assert text in refused.message


# What a folder may say otherwise than the bureaus do: the edit of story.toml, and the sentence that tells it.
OTHERWISE = [
    (('act = "accept"\nstate = "ACCEPTED"', 'act = "accept"\nrefused = { status = 422, says = ["never"] }'),
     "step 3 (accept): must be refused with 422 naming never; the answer was 200"),
    (('act = "accept"\nstate = "ACCEPTED"', 'act = "accept"\nstate = "UNDER_REVIEW"'),
     "step 3 (accept): the case is ACCEPTED, not UNDER_REVIEW"),
    (('act = "submit"', 'act = "settle"\nbody = { signed = [1] }'), "step 4 (settle) was refused with 409"),
    (('{ bureau = "zhejiang", state = "RECEIVED" }', '{ bureau = "zhejiang", state = "SEALED" }'),
     "step 5 (approve): zhejiang is RECEIVED, not SEALED"),
    (('holder = "shanghai"', 'holder = "zhejiang"'), "case main, member 1: not zhejiang alone answers"),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "told"), OTHERWISE, ids=[told.partition(":")[0] for _, told in OTHERWISE])
async def test_story_that_goes_otherwise_fails_and_says_at_which_step(
    edit: tuple[str, str], told: str, stage: NetworkStage, tmp_path: Path
) -> None:
    folder = shutil.copytree(STORIES / "wang", tmp_path / "story")
    story = (folder / "story.toml").read_text()
    assert edit[0] in story
    (folder / "story.toml").write_text(story.replace(*edit))
    done = await perform(stage, read_script("wang", folder), StoryTeller(), patience_seconds=5.0)
    assert done.failure is not None
    assert str(done.failure).startswith(told)


async def test_instant_of_hand_over_counts_as_one(network: Network, stage: NetworkStage) -> None:
    script = read_script("wang")
    *before, settle = script.parts
    await register_residents(stage, script)
    player = Player(stage, replace(script, parts=tuple(before)), StoryTeller(), patience_seconds=PATIENCE_SECONDS)
    await player.play()
    stage.set_clock(settle.step.at)
    await player.send(settle, "POST", f"{ROUTE}/{player.case_ids['main']}/settle", settle.step.body)
    await network.nodes["shanghai"].wiring.relay.pass_once()
    await network.deliver(network.nodes["zhejiang"])  # the origin has let go; its close is still on the way
    async with Gauge(stage.registers) as gauge:
        assert await gauge.sample(script.persons) == 1
        await gauge.sweep()
    assert gauge.reading.counts() == {"none": 0, "many": 0}


async def test_gauge_finds_who_is_registered_twice(stage: NetworkStage, tmp_path: Path) -> None:
    # Ms Wang's household, entered at Shanghai's station as well.
    folder = shutil.copytree(STORIES / "wang", tmp_path / "story")
    text = (folder / "residents-zhejiang.csv").read_text()
    doubled = text.replace("330482910000,970000001,FAMILY,330482", "310116910000,970000002,FAMILY,310116")
    with (folder / "residents-shanghai.csv").open("a") as file:
        file.write(doubled.partition("\n")[2])
    script = read_script("wang", folder)
    await register_residents(stage, script)
    async with Gauge(stage.registers) as gauge:
        await gauge.sample(script.persons)
        assert gauge.reading.counts() == {"none": 0, "many": 1}
        await gauge.sweep()
        assert gauge.reading.counts() == {"none": 0, "many": 3}


async def test_gauge_finds_who_is_registered_nowhere(network: Network, stage: NetworkStage, postgres: PostgresServer) -> None:
    # An origin that lets go although nobody has signed: what the protocol rules out, done by hand.
    script = read_script("wang")
    await register_residents(stage, script)
    database = network.nodes["zhejiang"].wiring.settings.database_url.rpartition("/")[2]
    lost = "UPDATE resident SET kind = 'MOVED', counterpart = 'shanghai', case_id = gen_random_uuid(), version = version + 1"
    postgres.execute(database, [lost])
    async with Gauge(stage.registers) as gauge:
        await gauge.sample(script.persons)
        assert gauge.reading.counts() == {"none": 1, "many": 0}
        await gauge.sweep()
        assert gauge.reading.counts() == {"none": 3, "many": 0}
