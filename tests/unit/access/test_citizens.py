"""From where a citizen guesses: one address, or the network that one subscriber has to himself."""

import pytest
from starlette.requests import Request

from services.bureau.access.citizens import _network


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),  # IPv4, on a port that listens on IPv6
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("somebody", "somebody"),
    ],
)
def test_wrong_proofs_are_counted_by_subscriber(client: str, network: str) -> None:
    assert _network(Request({"type": "http", "headers": [], "client": (client, 1)})) == network


def test_who_has_no_address_is_counted_too() -> None:
    assert _network(Request({"type": "http", "headers": [], "client": None})) == ""
