"""docker-compose.yml without an engine: its form, its references, who reaches what, and no secret in it."""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from services.bureau.settings import Settings
from services.harness.network import BUREAUS
from services.harness.stack.certificates import ORGANISATION
from services.harness.stack.kafka import PROPERTIES, SECURITY
from tests.unit.delivery.conftest import DEPLOY, ROOT, compose

PROFILES = ("minimal", "full")
SCHEMA = jsonschema_rs.validator_for(json.loads((DEPLOY / "compose" / "compose-spec.json").read_text()))
FOLDER = "${COMPOSE_PROFILES:-minimal}"
SERVICES: Mapping[str, Any] = compose()["services"]


def faults(file: Mapping[str, Any]) -> list[str]:
    """What the schema and the references refuse."""
    found = [f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in SCHEMA.iter_errors(file)]
    return found or [*undefined(file)]


def undefined(file: Mapping[str, Any]) -> Iterator[str]:
    """References to nothing: the schema does not see them."""
    services = file["services"]
    for name, service in services.items():
        for network in service.get("networks", ()):
            if network not in file["networks"]:
                yield f"{name}: network {network}"
        for source in (mount["source"] for mount in mounts(service) if mount["type"] == "volume"):
            if source not in file["volumes"]:
                yield f"{name}: volume {source}"
        for needed in service.get("depends_on", ()):
            if needed not in services:
                yield f"{name}: depends on {needed}"
            elif not set(service["profiles"]) <= set(services[needed]["profiles"]):
                yield f"{name}: {needed} is not there in each of its profiles"


def mounts(service: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for mount in service.get("volumes", ()):
        if isinstance(mount, str):
            source, target = mount.split(":")[:2]
            yield {"type": "bind" if source.startswith(".") else "volume", "source": source, "target": target}
        else:
            yield mount


def in_profile(profile: str) -> dict[str, Any]:
    return {name: service for name, service in SERVICES.items() if profile in service["profiles"]}


def test_the_file_is_as_the_specification_wants_it() -> None:
    assert faults(compose()) == []


@pytest.mark.parametrize(
    "break_it",
    [
        lambda file: file["services"]["shanghai"].update(readonly=True),
        lambda file: file["services"]["kafka"].update(networks=["buss"]),
        lambda file: file["services"]["shanghai"]["depends_on"].update({"kafca": {"condition": "service_healthy"}}),
        lambda file: file["services"]["shanghai"]["depends_on"].update({"topics": {"condition": "service_healthy"}}),
        lambda file: file["volumes"].pop("keys"),
    ],
    ids=["a typo", "another network", "a service that is not there", "one of another profile", "a volume that is not there"],
)
def test_what_is_broken_is_found(break_it: Any) -> None:
    file = copy.deepcopy(compose())
    break_it(file)
    assert faults(file) != []


def test_files_that_are_named_are_there() -> None:
    for name, service in SERVICES.items():
        for mount in mounts(service):
            assert mount["type"] == "volume" or (ROOT / mount["source"]).exists(), f"{name}: {mount}"
        for entry in service.get("env_file", ()):
            path, required = (entry, True) if isinstance(entry, str) else (entry["path"], entry["required"])
            assert any((ROOT / path.replace(FOLDER, profile)).exists() for profile in PROFILES), f"{name}: {path}"
            assert not required or all((ROOT / path.replace(FOLDER, profile)).exists() for profile in PROFILES)
    assert (ROOT / SERVICES["prepare"]["build"]["dockerfile"]).exists()


@pytest.mark.parametrize("profile", PROFILES)
def test_each_profile_has_what_it_promises(profile: str) -> None:
    services = in_profile(profile)
    brokers = {"kafka"} if profile == "minimal" else {"kafka-1", "kafka-2", "kafka-3"}
    others = set() if profile == "minimal" else {"keycloak", "prometheus", "grafana"}
    topics = {"topics"} if profile == "minimal" else {"topics-and-rights"}
    of_bureaus = {f"{bureau}{part}" for bureau in BUREAUS for part in ("", "-db", "-schema")}
    assert services.keys() == {"prepare"} | of_bureaus | brokers | others | topics


def test_a_database_is_reached_by_its_own_bureau_alone() -> None:
    for bureau in BUREAUS:
        inside = {name for name, service in SERVICES.items() if f"{bureau}-data" in service.get("networks", ())}
        assert inside == {bureau, f"{bureau}-db", f"{bureau}-schema"}
        assert compose()["networks"][f"{bureau}-data"] == {"internal": True}
        assert SERVICES[f"{bureau}-db"]["networks"] == [f"{bureau}-data"]
        assert "ports" not in SERVICES[f"{bureau}-db"]


def test_a_node_sees_only_its_own_keys_certificate_and_password() -> None:
    for bureau in BUREAUS:
        folders = {one["source"]: one["volume"]["subpath"] for one in mounts(SERVICES[bureau])}
        assert folders == {"keys": bureau, "secrets": f"{bureau}/node", "bus": bureau}
    whole = [
        name
        for name, service in SERVICES.items()
        for mount in mounts(service)
        if mount["source"] in ("keys", "secrets", "bus") and "volume" not in mount
    ]
    assert set(whole) == {"prepare"}


def test_no_secret_stands_in_the_files_and_every_port_is_of_this_machine() -> None:
    for service in SERVICES.values():
        for name in service.get("environment", ()):
            assert "PASSWORD" not in name or name.endswith("FILE"), name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    for file in (DEPLOY / "compose").glob("*/*.env"):
        assert "PASSWORD" not in file.read_text().upper()


def test_nodes_run_without_rights() -> None:
    for bureau in BUREAUS:
        node = SERVICES[bureau]
        assert (node["read_only"], node["cap_drop"], node["security_opt"]) == (True, ["ALL"], ["no-new-privileges:true"])


def test_what_runs_on_is_looked_at() -> None:
    """By a health check of its own, or, the nodes, by that of the image."""
    for name, service in SERVICES.items():
        runs_once = service["restart"] == "on-failure:5"
        assert runs_once == (service.get("healthcheck") == {"disable": True})
        assert runs_once or name in BUREAUS or "test" in service["healthcheck"], name


def test_every_setting_of_a_node_is_one_that_nodes_know() -> None:
    names = {name for bureau in BUREAUS for name in SERVICES[bureau]["environment"]} - {"PGPASSFILE"}
    for file in (DEPLOY / "compose").glob("*/*.env"):
        names |= {line.partition("=")[0] for line in file.read_text().splitlines() if line and not line.startswith("#")}
    assert {name.removeprefix("QUANYU_").lower() for name in names} <= Settings.model_fields.keys()


def test_the_brokers_are_secured_as_those_that_are_tested() -> None:
    """What the ring of real processes proves is proven of these settings."""
    text = SECURITY.format(
        keystore="/bus/own.keystore.pem",
        ca="/bus/ca.pem",
        organisation=ORGANISATION,
        super_users="User:bus-admin;User:broker-1;User:broker-2;User:broker-3",
    )
    tested = dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))
    for number in (1, 2, 3):
        given = SERVICES[f"kafka-{number}"]["environment"]
        for name, value in tested.items():
            assert str(given[f"KAFKA_{name.replace('.', '_').upper()}"]).replace("$$", "$") == value, name
        assert given["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"] == "BUS:SSL,CONTROLLER:SSL"
    for name in ("unclean.leader.election.enable=false", "auto.create.topics.enable=false", "message.max.bytes=1048576"):
        assert name in PROPERTIES
        key, value = name.split("=")
        assert str(SERVICES["kafka-1"]["environment"][f"KAFKA_{key.replace('.', '_').upper()}"]) == value


def test_preparing_makes_every_folder_that_is_mounted_and_twice_changes_nothing(tmp_path: Path) -> None:
    script = DEPLOY / "compose" / "prepare.sh"
    places = {name.upper(): str(tmp_path / name) for name in ("keys", "secrets", "bus")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for place in places.values():
        Path(place).mkdir()
    seen = []
    for _ in range(2):
        subprocess.run(["sh", str(script)], env=os.environ | places | {"PATH": path}, cwd=ROOT, check=True, capture_output=True)
        seen.append({file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()})
    assert seen[0] == seen[1]
    for name, service in SERVICES.items():
        for mount in mounts(service):
            if "volume" in mount:
                assert (tmp_path / mount["source"] / mount["volume"]["subpath"]).is_dir(), f"{name}: {mount}"
    readable = {file.relative_to(tmp_path) for file in seen[0] if file.stat().st_mode & 0o077 and "keys" not in file.parts}
    assert readable <= {Path("secrets/grafana/password")}, readable
