"""A bench from beginning to end: its own federation in a temporary folder, figures told, everything stopped."""

import shutil
import tempfile
from pathlib import Path

from services.harness.bench.deliver import deliver
from services.harness.bench.figures import Bench, Figure, Figures
from services.harness.bench.ground import ground_of, start
from services.harness.bench.growth import growth
from services.harness.bench.pages import pages
from services.harness.bench.post import post
from services.harness.bench.transfer import transfer
from services.harness.interrupts import run_interruptibly
from services.harness.processes import Federation
from services.harness.stories.telling import Teller

ROUNDS = 5


def run_bench(bench: Bench, teller: Teller, *, rounds: int) -> Figures:
    """Measure and tell. Raises StackError."""
    folder = Path(tempfile.mkdtemp(prefix="quanyu-bench-"))
    figures = Figures(bench)

    async def measured(federation: Federation) -> None:
        async with ground_of(federation) as ground:
            if bench == "deliver":
                await deliver(ground, figures, rounds=rounds, tell=teller.say)
            else:
                await transfer(ground, figures, tell=teller.say)

    try:
        if bench == "growth":
            growth(folder, figures, rounds=rounds, tell=teller.say)
        elif bench == "pages":
            pages(folder, figures, rounds=rounds, tell=teller.say)
        elif bench == "post":
            post(folder, figures, rounds=rounds, tell=teller.say)
        else:
            federation = start(folder, teller.say)
            try:
                run_interruptibly(measured(federation))
            finally:
                federation.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for figure in figures.figures:
        teller.write(shown(figure))
    return figures


def shown(figure: Figure) -> str:
    """A line for people."""
    text = f"{figure.name:34} {figure.value:10.2f} {figure.unit:11}"
    if figure.ratio is not None and figure.floor is not None:
        text += f" {figure.ratio:6.2f} x {figure.floor:.2f}"
    return text + (f"   {figure.target} {'ok' if figure.ok else 'MISSED'}" if figure.target else "")
