"""What a node must be told. One frozen object, read once; nothing else reads the environment."""

import tomllib
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared.messaging.kafka import KafkaTls


class BureauProfile(BaseModel, frozen=True):
    """A province's `bureau.toml`: who it is and which ports it uses by default (after GB/T 2260)."""

    code: str
    name: str
    name_en: str
    division_prefix: str = Field(pattern=r"^\d{2}$")
    web_port: int
    peer_port: int


class Settings(BaseSettings):
    """Settings of one node; each can be given as an environment variable, for example QUANYU_DATABASE_URL."""

    model_config = SettingsConfigDict(env_prefix="QUANYU_", frozen=True, extra="forbid")

    bureau: str = Field(description="code of the bureau: shanghai, jiangsu, zhejiang or anhui")
    profile_folder: Path = Field(description="folder of the province: bureau.toml, stations.csv, posts.csv, rules.toml")
    environment: Literal["development", "production"] = Field(default="production", description="development mounts /dev")
    keys_folder: Path = Field(description="folder of this bureau's private keys, trust lists and anchors")
    database_url: str = Field(description="PostgreSQL of this bureau, as the node's role: postgresql+asyncpg://…")
    bus_file: Path | None = Field(default=None, description="local bus: one SQLite file that all nodes share")
    kafka_bootstrap: str | None = Field(default=None, description="Apache Kafka: host:port[,host:port…]; used when given")
    kafka_ca: Path | None = Field(default=None, description="mutual TLS with Kafka: authority of the brokers (PEM)")
    kafka_certificate: Path | None = Field(default=None, description="the bureau's certificate for Kafka (PEM)")
    kafka_key: Path | None = Field(default=None, description="the private key of that certificate (PEM)")
    run_folder: Path = Field(description="folder for the business clock's offset and the development provider's key")
    host: str = Field(default="127.0.0.1", description="address to listen on")
    web_port: int = Field(default=0, description="officers, citizens, operations; 0: the profile's")
    peer_port: int = Field(default=0, description="questions of peers (mTLS); 0: the profile's")
    trusted_proxies: str = Field(
        default="",
        description="proxies before the web port, by address or network, separated by commas: what they say of a client's address"
        " and scheme (X-Forwarded-For, X-Forwarded-Proto) counts; empty: nobody is believed",
    )
    replica: str = Field(default="1", description="name of this replica; a restarted one takes its own relay lease back")
    oidc_issuer: str = Field(default="", description="issuer of officers' access tokens; empty: the development provider")
    oidc_jwks_url: str = Field(default="", description="where that issuer's keys are")
    log_level: str = Field(default="info", description="debug, info, warning or error")

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *rest: Any, **more: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, more["env_settings"])

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, given: str) -> str:
        """A name or "*" would be taken without a word, and believe nobody or everybody."""
        for one in given.split(",") if given else ():
            ip_network(one.strip())
        return given

    def proxies(self) -> list[str]:
        """The networks of `trusted_proxies`; IPv4 ones also as they appear on a port that listens on IPv6."""
        networks = [ip_network(one.strip()) for one in self.trusted_proxies.split(",")] if self.trusted_proxies else []
        mapped = [f"::ffff:{one.network_address}/{96 + one.prefixlen}" for one in networks if isinstance(one, IPv4Network)]
        return [*map(str, networks), *mapped]

    def kafka_tls(self) -> KafkaTls | None:
        """The three files of mutual TLS, or None when none is given. Raises ValueError when only some are."""
        ca, certificate, key = self.kafka_ca, self.kafka_certificate, self.kafka_key
        if ca is None and certificate is None and key is None:
            return None
        if ca is None or certificate is None or key is None:
            raise ValueError("QUANYU_KAFKA_CA, QUANYU_KAFKA_CERTIFICATE and QUANYU_KAFKA_KEY belong together")
        return KafkaTls(ca, certificate, key)

    def profile(self) -> BureauProfile:
        return BureauProfile(**tomllib.loads((self.profile_folder / "bureau.toml").read_text()))
