"""A process beside the bench that talks to it in lines of JSON on its standard output."""

import asyncio
import json
import sys
from types import TracebackType
from typing import Any, Self

PATIENCE_SECONDS = 120.0
LINE_LIMIT_BYTES = 16 * 1024 * 1024  # ten thousand times in one line


class Child:
    """`python -m module arguments`; ended with the block."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdout=asyncio.subprocess.PIPE, limit=LINE_LIMIT_BYTES
        )
        return self

    async def said(self) -> dict[str, Any]:
        """Its next line. Raises RuntimeError when it has ended, TimeoutError."""
        if self._process is None or self._process.stdout is None:
            raise AssertionError("only inside its block")
        async with asyncio.timeout(PATIENCE_SECONDS):
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._command[2]} ended")
        told: dict[str, Any] = json.loads(line)
        return told

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


def tell(**values: Any) -> None:
    """One line to the bench."""
    print(json.dumps(values), flush=True)
