"""Certificates of the bus (mutual TLS with Apache Kafka): one authority, one file pair for each broker and each client.

The authority is not that of the peer ports: who may speak on the bus is the business of whoever runs the bus. A certificate's
common name is the principal of the access rights; nothing on the bus is believed because of it (the envelope says who speaks).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.harness.stack.errors import StackError
from shared.envelope.keys import write_private
from shared.identifiers.texts import N_
from shared.messaging.kafka import KafkaTls

AUTHORITY: Final = "bus-authority"
ADMIN: Final = "bus-admin"  # makes topics and rights; no node has its key
ORGANISATION: Final = "Four Bureaus"
AUTHORITY_LIFE: Final = timedelta(days=5 * 365)
LEAF_LIFE: Final = timedelta(days=365)  # renewed by hand, so not by the month
BACKDATED: Final = timedelta(hours=1)  # who checks may have a clock that is a little behind


@dataclass(frozen=True, slots=True)
class BusCertificates:
    """A folder of PEM files: `ca.pem`, `ca.key`, and `<name>.pem`, `<name>.key`, `<name>.keystore.pem` (both in one) each."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def keystore(self, name: str) -> Path:
        """Key, then certificate, in one file: what a broker reads."""
        return self.folder / f"{name}.keystore.pem"

    def client(self, name: str) -> KafkaTls:
        return KafkaTls(ca=self.ca, certificate=self.folder / f"{name}.pem", key=self.folder / f"{name}.key")

    def make_authority(self) -> bool:
        """Make the authority; False when it is there already."""
        if self.ca.exists():
            return False
        self.folder.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(AUTHORITY)
        certificate = _builder(name, name, key, AUTHORITY_LIFE)
        certificate = certificate.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        certificate = certificate.add_extension(_usage(signs=True), critical=True)
        write_private(self.folder / "ca.key", _pem(key))
        write_private(self.ca, certificate.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
        return True

    def issue(self, name: str, hosts: tuple[str, ...] = ()) -> None:
        """Issue, or renew, the certificate of `name`. `hosts`: where a broker is reached; a client has none."""
        try:
            authority = x509.load_pem_x509_certificate(self.ca.read_bytes())
            authority_key = load_pem_private_key((self.folder / "ca.key").read_bytes(), password=None)
        except (OSError, ValueError) as error:
            raise StackError(N_("the bus's authority in {folder} cannot be read"), folder=str(self.folder)) from error
        if not isinstance(authority_key, ec.EllipticCurvePrivateKey):
            raise StackError(N_("the bus's authority in {folder} cannot be read"), folder=str(self.folder))
        key = ec.generate_private_key(ec.SECP256R1())  # brokers refuse Ed25519
        builder = _builder(_name(name), authority.subject, key, LEAF_LIFE)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs=False), critical=True)
        # Brokers are also clients of each other.
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if hosts else [])]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
        certificate = builder.sign(authority_key, hashes.SHA256()).public_bytes(Encoding.PEM)
        contents = {f"{name}.key": _pem(key), f"{name}.pem": certificate, f"{name}.keystore.pem": _pem(key) + certificate}
        for file, data in contents.items():
            (self.folder / file).unlink(missing_ok=True)
            write_private(self.folder / file, data)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, life: timedelta) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    number = x509.random_serial_number()
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), number, now - BACKDATED, now + life)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _name(name: str) -> x509.Name:
    # O before CN: Java prints the encoded name backwards, and Kafka's mapping rule expects CN=…,O=….
    attributes = ((NameOID.ORGANIZATION_NAME, ORGANISATION), (NameOID.COMMON_NAME, name))
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes])


def _usage(*, signs: bool) -> x509.KeyUsage:
    none = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only")
    signing = {"digital_signature": not signs, "key_cert_sign": signs, "crl_sign": signs}
    return x509.KeyUsage(**signing, **dict.fromkeys(none, False))


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
