"""Waking the relay of another process of the same bureau, where web door and worker are split: PostgreSQL's NOTIFY.

Never inside the business transaction, whose commits it would serialise (messaging.md 4.2): a task of its own sends one
notification for whatever has happened in the last milliseconds. A lost one costs a sweep of the relay.
"""

import asyncio

import asyncpg

CHANNEL = "quanyu_outbox"
COALESCE_SECONDS = 0.005
HEARTBEAT_SECONDS = 10.0  # a half-open socket gives no error: ask
ANSWER_SECONDS = 5.0


def plain_dsn(url: str) -> str:
    """asyncpg's address from SQLAlchemy's."""
    return url.replace("postgresql+asyncpg://", "postgresql://", 1)


async def ring(url: str, written: asyncio.Event) -> None:
    """Send a notification when `written` is set; until cancelled, or OSError or asyncpg.PostgresError for the supervisor."""
    connection = await asyncpg.connect(plain_dsn(url), timeout=ANSWER_SECONDS)
    try:
        while True:
            await written.wait()
            written.clear()
            await connection.execute(f"NOTIFY {CHANNEL}", timeout=ANSWER_SECONDS)
            await asyncio.sleep(COALESCE_SECONDS)
    finally:
        connection.terminate()


async def listen(url: str, wake: asyncio.Event) -> None:
    """Set `wake` at each notification; until cancelled, or OSError or asyncpg.PostgresError for the supervisor."""
    connection = await asyncpg.connect(plain_dsn(url), timeout=ANSWER_SECONDS)
    try:
        await connection.add_listener(CHANNEL, lambda *_: wake.set())
        wake.set()  # what was rung while nobody listened
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            await connection.execute("SELECT 1", timeout=ANSWER_SECONDS)
    finally:
        connection.terminate()
