"""Start the node of this bureau: `quanyu node zhejiang`."""

from pathlib import Path

from services.bureau.process import Part, run_node

PROFILE = Path(__file__).parent


def main(only: Part = "all") -> None:
    run_node(PROFILE, only=only)
