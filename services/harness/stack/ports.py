"""Ports for servers that may be killed and come back on the same port."""

import random
import socket

# Below 32768, where Linux begins to number outgoing connections: no client's socket can take the port of a server that is down.
FIRST_PORT = 15_000
LAST_PORT = 30_000
ATTEMPTS = 200


def free_ports(count: int) -> list[int]:
    """`count` different ports of 127.0.0.1 that nobody listens on at this moment."""
    held: list[socket.socket] = []  # kept bound until all are found, so that they differ
    try:
        for _ in range(ATTEMPTS):
            if len(held) == count:
                return [each.getsockname()[1] for each in held]
            candidate = socket.socket()
            held.append(candidate)
            try:
                candidate.bind(("127.0.0.1", random.randint(FIRST_PORT, LAST_PORT)))  # noqa: S311  a port is no secret
            except OSError:
                held.pop().close()
        raise OSError(f"no {count} free ports between {FIRST_PORT} and {LAST_PORT}")
    finally:
        for each in held:
            each.close()
