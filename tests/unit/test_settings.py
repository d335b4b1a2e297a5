"""Settings that belong together: a half of them is refused with a sentence."""

from pathlib import Path
from typing import Any

import pytest

from services.bureau.process import run_node
from services.bureau.settings import Settings
from services.bureau.wiring import SettingsError, _bus
from services.harness.network import SERVICES
from services.harness.stack.certificates import BusCertificates
from shared.messaging.kafka import KafkaBus


def settings(**more: Any) -> Settings:
    folders = {"keys_folder": Path("keys"), "run_folder": Path("run"), "profile_folder": SERVICES / "shanghai"}
    return Settings(bureau="shanghai", database_url="postgresql+asyncpg://nobody", kafka_bootstrap="k:9092", **folders, **more)


def test_without_certificates_the_bus_is_plain() -> None:
    bus = _bus(settings())
    assert isinstance(bus, KafkaBus)
    assert bus._connection["security_protocol"] == "PLAINTEXT"


def test_with_certificates_the_bus_is_mutual_tls(tmp_path: Path) -> None:
    made = BusCertificates(tmp_path)
    made.make_authority()
    made.issue("shanghai")
    tls = made.client("shanghai")
    bus = _bus(settings(kafka_ca=tls.ca, kafka_certificate=tls.certificate, kafka_key=tls.key))
    assert isinstance(bus, KafkaBus)
    assert bus._connection["security_protocol"] == "SSL"


@pytest.mark.parametrize("given", [("kafka_ca",), ("kafka_certificate", "kafka_key")])
def test_certificates_that_are_not_all_named_are_refused(given: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError, match="belong together"):
        _bus(settings(**dict.fromkeys(given, Path("some.pem"))))


def test_certificates_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    files = dict.fromkeys(("kafka_ca", "kafka_certificate", "kafka_key"), tmp_path / "missing.pem")
    with pytest.raises(SettingsError, match="mutual TLS with Kafka"):
        _bus(settings(**files))


def test_settings_that_are_missing_are_named_and_what_was_given_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANYU_WEB_PORT", "s3cret")
    with pytest.raises(SettingsError) as refused:
        run_node(SERVICES / "shanghai")
    assert "QUANYU_DATABASE_URL: Field required" in str(refused.value)
    assert "QUANYU_WEB_PORT" in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("given", ["*", "proxy.example", "10.0.0.1/8", "10.0.0.1,", "10.0.0.300"])
def test_a_proxy_that_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="trusted_proxies"):
        settings(trusted_proxies=given)


def test_proxies_are_known_by_their_networks_also_on_a_port_of_ipv6() -> None:
    assert settings().proxies() == []
    found = settings(trusted_proxies="192.0.2.1, 10.0.0.0/24,2001:db8::/64").proxies()
    assert found == ["192.0.2.1/32", "10.0.0.0/24", "2001:db8::/64", "::ffff:192.0.2.1/128", "::ffff:10.0.0.0/120"]
