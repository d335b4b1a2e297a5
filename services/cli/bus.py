"""`quanyu bus`: what whoever runs Apache Kafka for the bureaus prepares: certificates, topics, access rights."""

from pathlib import Path
from typing import Annotated, Final

import typer

from services.cli.common import language_of
from services.harness.network import BUREAUS
from services.harness.stack import StackError
from services.harness.stack.certificates import ADMIN, BusCertificates
from services.harness.stories.telling import Teller
from shared.envelope.keys import parse_kid
from shared.identifiers.texts import N_
from shared.messaging.kafka import REPLICATION_FACTOR, KafkaTls

HELP: Final = N_("The bus on Apache Kafka: its certificates, topics and access rights.")
CERTIFICATES_HELP: Final = N_(
    "Make the authority of the bus in FOLDER, if there is none, and a certificate for the administrator, each bureau and each"
    " --broker. What exists stays; --renew makes certificates anew."
)
CERTIFICATES_EXAMPLE: Final = N_("Example: quanyu bus certificates bus --broker broker-1=kafka-1 --broker broker-2=kafka-2")
PREPARE_HELP: Final = N_(
    "Make topics and access rights as they should be, and say what was changed; run it again whenever a bureau or a capability is"
    " added. With the certificate of bus-admin also the rights, which need mutual TLS."
)
PREPARE_EXAMPLE: Final = N_(
    "Example: quanyu bus prepare kafka-1:9092 --ca bus/ca.pem --certificate bus/bus-admin.pem --key bus/bus-admin.key"
)

BureauOption = Annotated[
    list[str] | None, typer.Option("--bureau", metavar="CODE", help=N_("a member; repeat it. Without it: the four bureaus"))
]


def add_to(app: typer.Typer) -> None:
    bus = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    bus.command("certificates", help=CERTIFICATES_HELP, epilog=CERTIFICATES_EXAMPLE)(certificates)
    bus.command("prepare", help=PREPARE_HELP, epilog=PREPARE_EXAMPLE)(prepare)
    app.add_typer(bus, name="bus", help=HELP)


def certificates(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help=N_("folder of the bus's certificates"))],
    broker: Annotated[
        list[str] | None, typer.Option(metavar="NAME=HOST", help=N_("a broker and the host where it is reached; repeat it"))
    ] = None,
    bureau: BureauOption = None,
    renew: Annotated[bool, typer.Option("--renew", help=N_("make anew what is there; the authority stays"))] = False,
) -> None:
    made = BusCertificates(folder)
    teller = Teller(language_of(context))
    wanted: dict[str, tuple[str, ...]] = dict.fromkeys([ADMIN, *_members(bureau)], ())
    for text in broker or ():
        name, _, host = text.partition("=")
        if not name or not host:
            raise typer.BadParameter(f"{text!r}: broker-1=kafka-1")
        wanted[name] = (*wanted.get(name, ()), host)
    if made.make_authority():
        teller.say(N_("authority made: {path}"), path=str(made.ca))
    for name, hosts in wanted.items():
        if renew or not made.keystore(name).exists():
            made.issue(name, hosts)
            teller.say(N_("certificate made: {name}"), name=name)


def prepare(
    context: typer.Context,
    servers: Annotated[str, typer.Argument(metavar="SERVERS", help=N_("Kafka servers: host:port,…"))],
    bureau: BureauOption = None,
    copies: Annotated[int, typer.Option(min=1, max=9, help=N_("copies of each topic, on as many brokers"))] = REPLICATION_FACTOR,
    ca: Annotated[Path | None, typer.Option(envvar="QUANYU_KAFKA_CA", help=N_("authority of the brokers (PEM)"))] = None,
    certificate: Annotated[
        Path | None, typer.Option(envvar="QUANYU_KAFKA_CERTIFICATE", help=N_("certificate of bus-admin (PEM)"))
    ] = None,
    key: Annotated[Path | None, typer.Option(envvar="QUANYU_KAFKA_KEY", help=N_("its private key (PEM)"))] = None,
) -> None:
    try:
        from services.harness.stack.kafka_admin import BusAdmin  # its library is not among a node's
    except ImportError as error:
        raise StackError(N_("the package confluent-kafka is missing: install requirements/deploy.txt")) from error
    members, tls = _members(bureau), _tls(ca, certificate, key)
    admin = BusAdmin(servers, tls)
    changes = admin.prepare_topics(members, copies=copies)
    if tls is not None:
        changes += admin.prepare_rights(members)
    teller = Teller(language_of(context))
    for change in changes:
        teller.say(change.message, **change.values)
    if not changes:
        teller.say(N_("nothing to change"))


def _members(codes: list[str] | None) -> list[str]:
    members = codes or list(BUREAUS)
    for code in members:
        if parse_kid(f"{code}#sig-1") is None:
            raise typer.BadParameter(f"{code!r}: {', '.join(BUREAUS)}")
    return members


def _tls(ca: Path | None, certificate: Path | None, key: Path | None) -> KafkaTls | None:
    if ca is None and certificate is None and key is None:
        return None
    if ca is None or certificate is None or key is None:
        raise typer.BadParameter("--ca, --certificate, --key")
    return KafkaTls(ca, certificate, key)
