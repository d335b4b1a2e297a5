"""Topics and access rights of the bus on Apache Kafka, made to be as they should; run again and again without harm.

Names begin with the recipient, so that rights are prefixes: a bureau reads `<bureau>.` with groups `<bureau>.`, and writes what
begins with any other bureau's name. A new capability needs a topic and no new right. What is there and is not wanted is told,
never deleted: it may be a bureau that another operator has just added, or an intruder's; a person must look.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from services.harness.stack.errors import StackError
from shared.contract.registry import CAPABILITIES, topic
from shared.identifiers.texts import N_
from shared.messaging.kafka import PARTITIONS, REPLICATION_FACTOR, RETENTION_MS, KafkaTls

CALL_TIMEOUT_S: Final = 20.0
IN_FORCE_TIMEOUT_S: Final = 30.0  # rights count up to a second after they were taken
POLL_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that was made, set or found; `message` is a msgid, `values` fill it."""

    message: str
    values: Mapping[str, str]
    wanted: bool = True  # False: it is there and should not be


class BusAdmin:
    """The administrator of the bus at `servers` ("host:port,…"); with `tls` as the owner of that certificate."""

    def __init__(self, servers: str, tls: KafkaTls | None = None) -> None:
        self._servers = servers
        options: dict[str, Any] = {"bootstrap.servers": servers, "client.id": "bus-admin", "logger": _Silence()}
        if tls is not None:
            files = {"ssl.ca.location": tls.ca, "ssl.certificate.location": tls.certificate, "ssl.key.location": tls.key}
            options |= {"security.protocol": "ssl"} | {name: str(path) for name, path in files.items()}
        try:
            self._client = AdminClient(options)
        except KafkaException as error:  # a file that cannot be read
            raise self._refused(error) from error

    def prepare_topics(self, bureaus: Sequence[str], *, copies: int = REPLICATION_FACTOR) -> list[Change]:
        """Make the topics that are missing, and set what is set otherwise. `copies`: on so many brokers. Raises StackError."""
        names = [topic(bureau, capability) for bureau in bureaus for capability in CAPABILITIES]
        settings = topic_settings(copies)
        try:
            there = self._client.list_topics(timeout=CALL_TIMEOUT_S).topics
            missing = [name for name in names if name not in there]
            made = self._make(missing, copies, settings) if missing else []
            present = [name for name in names if name in there]
            for name in present:
                _require_shape(name, there[name], copies)
            return made + self._set(present, settings)
        except KafkaException as error:
            raise self._refused(error) from error

    def prepare_rights(self, bureaus: Sequence[str]) -> list[Change]:
        """Give every bureau its rights; returns when they are in force, and tells rights that nobody wants. Raises StackError."""
        wanted = set(wanted_rights(bureaus))
        try:
            there = self._rights()
            missing = sorted(wanted - there, key=str)
            if missing:
                for given in self._client.create_acls(missing, request_timeout=CALL_TIMEOUT_S).values():
                    given.result()
                self._await(wanted)
        except KafkaException as error:
            raise self._refused(error) from error
        given_now = [Change(N_("right given: {right}"), {"right": _shown(one)}) for one in missing]
        foreign = sorted(there - wanted, key=str)
        return given_now + [
            Change(N_("right that is not ours, look at it: {right}"), {"right": _shown(one)}, False) for one in foreign
        ]

    def _make(self, names: Sequence[str], copies: int, settings: Mapping[str, str]) -> list[Change]:
        new = [NewTopic(name, PARTITIONS, copies, config=dict(settings)) for name in names]
        for made in self._client.create_topics(new, request_timeout=CALL_TIMEOUT_S).values():
            made.result()
        return [Change(N_("topic made: {topic}"), {"topic": name}) for name in names]

    def _set(self, names: Iterable[str], settings: Mapping[str, str]) -> list[Change]:
        places = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
        if not places:
            return []
        wrong: list[ConfigResource] = []
        changes: list[Change] = []
        for place, asked in self._client.describe_configs(places, request_timeout=CALL_TIMEOUT_S).items():
            found = {name: entry.value for name, entry in asked.result().items()}
            entries = [
                ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
                for name, value in settings.items()
                if found.get(name) != value
            ]
            if entries:
                wrong.append(ConfigResource(ConfigResource.Type.TOPIC, place.name, incremental_configs=entries))
                values = {"topic": place.name, "settings": ", ".join(f"{one.name}={one.value}" for one in entries)}
                changes.append(Change(N_("topic {topic} set: {settings}"), values))
        if wrong:  # incremental: the older call resets whatever it does not name
            for altered in self._client.incremental_alter_configs(wrong, request_timeout=CALL_TIMEOUT_S).values():
                altered.result()
        return changes

    def _rights(self) -> set[AclBinding]:
        any_name: Any = None  # the library's annotation forgets it
        everything = AclBindingFilter(
            ResourceType.ANY, any_name, ResourcePatternType.ANY, any_name, any_name, AclOperation.ANY, AclPermissionType.ANY
        )
        return set(self._client.describe_acls(everything, request_timeout=CALL_TIMEOUT_S).result())

    def _await(self, wanted: set[AclBinding]) -> None:
        ends_at = time.monotonic() + IN_FORCE_TIMEOUT_S
        while not wanted <= self._rights():
            if time.monotonic() > ends_at:
                raise StackError(
                    N_("the rights were given, and are not in force after {seconds} s"), seconds=int(IN_FORCE_TIMEOUT_S)
                )
            time.sleep(POLL_S)

    def _refused(self, error: KafkaException) -> StackError:
        reason = error.args[0].str() if error.args and hasattr(error.args[0], "str") else str(error)
        return StackError(N_("Apache Kafka at {servers} refuses: {reason}"), servers=self._servers, reason=reason)


class _Silence:
    """librdkafka tells each failed attempt; the sentence at the end says it once."""

    def log(self, *_told: Any) -> None:
        pass


def topic_settings(copies: int) -> dict[str, str]:
    """What a topic is set to. With one copy only, acknowledged must mean on disk; with three, on two machines."""
    safety = {"min.insync.replicas": str(copies // 2 + 1)} | ({"flush.messages": "1"} if copies == 1 else {})
    return {"retention.ms": str(RETENTION_MS)} | safety


def wanted_rights(bureaus: Sequence[str]) -> list[AclBinding]:
    """All access rights on the bus: for each bureau its own topics and groups, and the others' topics to write."""
    rights = []
    for bureau in bureaus:
        rights += [_right(bureau, ResourceType.TOPIC, bureau, AclOperation.READ)]
        rights += [_right(bureau, ResourceType.GROUP, bureau, AclOperation.READ)]
        rights += [_right(bureau, ResourceType.TOPIC, other, AclOperation.WRITE) for other in bureaus if other != bureau]
    return rights


def _right(bureau: str, kind: ResourceType, prefix: str, operation: AclOperation) -> AclBinding:
    who, everywhere, allow = f"User:{bureau}", "*", AclPermissionType.ALLOW
    return AclBinding(kind, f"{prefix}.", ResourcePatternType.PREFIXED, who, everywhere, operation, allow)


def _require_shape(name: str, found: Any, copies: int) -> None:
    """What no setting can change: a changed number of partitions would send a case's messages to another partition."""
    replicas = min(len(partition.replicas) for partition in found.partitions.values())
    if len(found.partitions) != PARTITIONS or replicas < copies:
        raise StackError(
            N_("topic {topic} has {partitions} partitions in {copies} copies, not {wanted} in {wanted_copies}: make it anew"),
            topic=name,
            partitions=len(found.partitions),
            copies=replicas,
            wanted=PARTITIONS,
            wanted_copies=copies,
        )  # fmt: skip


def _shown(right: AclBinding) -> str:
    kind, operation = ResourceType(right.restype).name.lower(), AclOperation(right.operation).name.lower()
    pattern = "*" if right.resource_pattern_type is ResourcePatternType.PREFIXED else ""
    return f"{right.principal} {operation} {kind} {right.name}{pattern}"
