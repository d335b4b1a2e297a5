"""The stories that come with the program, played by the same player in one process; the real ring plays them as processes."""

import pytest

from services.harness.network import Network
from services.harness.stories.casting import read_script
from services.harness.stories.performance import perform
from services.harness.stories.script import story_names
from services.harness.stories.stage import NetworkStage
from services.harness.stories.telling import StoryTeller

PATIENCE_SECONDS = 10.0  # nothing is waited for in one process: `turn` settles everything


@pytest.mark.parametrize("name", story_names())
async def test_story_ends_as_it_must_and_everybody_has_one_register_all_the_time(name: str, network: Network) -> None:
    stage = NetworkStage(network)
    done = await perform(stage, read_script(name), StoryTeller(), patience_seconds=PATIENCE_SECONDS)
    assert done.failure is None
    assert done.reading is not None
    assert done.reading.counts() == {"none": 0, "many": 0}
    assert done.reading.samples > 0
