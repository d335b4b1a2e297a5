"""One flood against a federation that runs in a folder; for the tests of real processes."""

import argparse
import asyncio
import json
from pathlib import Path

from services.harness.rogue.flood import FLOODS, open_target
from shared.messaging.bus import Bus
from shared.messaging.kafka import KafkaBus
from shared.messaging.local import LocalBus


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("kind", choices=FLOODS)
    parser.add_argument("--rogue", default="anhui")
    parser.add_argument("--victim", default="zhejiang")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--kafka", default="")
    told = parser.parse_args()
    bus: Bus = KafkaBus(told.kafka, client_id=told.rogue) if told.kafka else LocalBus(told.folder / "bus.sqlite")
    target = open_target(told.folder, told.rogue, told.victim, bus=bus, seconds=told.seconds)
    try:
        sent = await FLOODS[told.kind](target, lambda: print(json.dumps({"begun": told.kind}), flush=True))
        print(json.dumps({"sent": sent}), flush=True)
    finally:
        await bus.close()


if __name__ == "__main__":
    asyncio.run(main())
