"""TLS between bureaus: transport, never identity (trust.md 5). One leaf certificate a bureau, for its peer port and its client.

Each bureau has its own certificate authority, listed with its keys; both ends accept a leaf of any listed one. TLS 1.3 only.
"""

import base64
import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shared.envelope.errors import KeyFileError
from shared.envelope.keys import StoredKey, read_kek, read_keys, write_key, write_private
from shared.envelope.trust_list import TrustList

LEAF_LIFE_SECONDS: Final = 90 * 86400
LEAF_RENEWAL_SECONDS: Final = 30 * 86400  # so long before its end a leaf is renewed
BACKDATE_SECONDS: Final = 3600  # a peer whose clock is a little behind must accept a fresh leaf
ORGANISATION: Final = "Four Bureaus"
LOCAL_HOSTS: Final = ("localhost", "127.0.0.1")


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def make_authority(folder: Path, kid: str, *, kek: bytes, life: tuple[int, int], hosts: tuple[str, ...]) -> str:
    """Make a bureau's certificate authority, constrained to its own name and hosts; returns its certificate as base64 DER.

    `life` is (nbf, exp) in unix seconds. The private key goes to `keys/`, the certificate to `tls/<use>-<period>.pem`.
    """
    bureau = kid.partition("#")[0]
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(bureau)
    nbf, exp = life
    certificate = (
        _builder(subject=name, issuer=name, life=(nbf - BACKDATE_SECONDS, exp), public=key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints([x509.DirectoryName(name), *_subtrees(hosts)], None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    write_key(folder, StoredKey(kid, "tls-ca", nbf, exp, der), kek=kek)
    write_private(_authority_path(folder, kid), certificate.public_bytes(Encoding.PEM))
    return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()


def issue_leaf(folder: Path, bureau: str, *, kek: bytes, now: int, hosts: tuple[str, ...]) -> None:
    """Issue, or renew, the bureau's leaf certificate for server and client under its newest authority. Raises KeyFileError."""
    authority = _load_authority(folder, kek)
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
    usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    issuer_key = authority.key.public_key()
    certificate = (
        _builder(
            subject=_name(bureau),
            issuer=authority.certificate.subject,
            life=(now - BACKDATE_SECONDS, now + LEAF_LIFE_SECONDS),
            public=key.public_key(),
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(usages, critical=False)
        .add_extension(alternatives, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(_leaf_password(kek)))
    fresh = {folder / "tls" / "leaf.key": private, folder / "tls" / "leaf.pem": certificate.public_bytes(Encoding.PEM)}
    for path, data in fresh.items():
        _aside(path).unlink(missing_ok=True)  # left by a process that was killed while it wrote
        write_private(_aside(path), data)
    for (
        path
    ) in fresh:  # both are whole before either counts; who reads between the two is told that they do not fit, and reads again
        _aside(path).replace(path)


def renew_leaf(folder: Path, bureau: str, *, now: int) -> bool:
    """Issue the leaf anew, for the same hosts, when it ends within 30 days; says whether. Raises KeyFileError."""
    try:
        leaf = x509.load_pem_x509_certificate((folder / "tls" / "leaf.pem").read_bytes())
    except (OSError, ValueError) as error:
        raise KeyFileError("tls/leaf.pem cannot be read") from error
    if leaf.not_valid_after_utc.timestamp() > now + LEAF_RENEWAL_SECONDS:
        return False
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    issue_leaf(folder, bureau, kek=read_kek(folder), now=now, hosts=tuple(str(name.value) for name in names))
    return True


def certificate_end(path: Path) -> int:
    """When the certificate in this PEM file ends, in unix seconds; 0 when it cannot be read."""
    try:
        return int(x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc.timestamp())
    except (OSError, ValueError):
        return 0


def tls_server_context(ring_folder: Path, trust: TrustList) -> ssl.SSLContext:
    """The context of the peer port: TLS 1.3, a client certificate of a listed authority required. Raises KeyFileError."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, ring_folder, trust)
    context.num_tickets = 0  # who resumes a session shows no certificate: its authority may have been revoked since (tried)
    return context


class TlsDoor:
    """The TLS of the peer port, renewed while the port is open: `context` is for the server, which keeps it for good.

    A context cannot forget an authority, so each renewal makes a fresh one, to which the server's hands every connection over at
    the client's hello: OpenSSL then takes certificate and authorities from there. Connections that are open stay open, whatever
    the list says: TLS is only transport, and each envelope is judged by the list in force.
    """

    def __init__(self, ring_folder: Path, trust: TrustList) -> None:
        """Raises KeyFileError."""
        self._ring_folder = ring_folder
        self.context = self._current = tls_server_context(ring_folder, trust)
        self.context.sni_callback = self._hand_over  # called for a client that names no host, too

    def renew(self, trust: TrustList) -> None:
        """Believe the authorities of `trust`, show the certificate in the folder. Raises KeyFileError, changing nothing."""
        self._current = tls_server_context(self._ring_folder, trust)

    def _hand_over(self, connection: ssl.SSLObject, host: str | None, context: ssl.SSLContext) -> None:
        connection.context = self._current


def tls_client_context(ring_folder: Path, trust: TrustList) -> ssl.SSLContext:
    """The context of our client to the peers: TLS 1.3, our leaf, host names checked. Raises KeyFileError."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, ring_folder, trust)


def _context(protocol: int, folder: Path, trust: TrustList) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata="\n".join(ssl.DER_cert_to_PEM_cert(der) for der in _authorities(trust)))
    tls = folder / "tls"
    try:
        context.load_cert_chain(tls / "leaf.pem", tls / "leaf.key", password=_leaf_password(read_kek(folder)))
    except (OSError, ssl.SSLError) as error:
        raise KeyFileError(f"tls/leaf: {error.strerror or error}") from error
    return context


def _authorities(trust: TrustList) -> list[bytes]:
    authorities = [base64.b64decode(certificate) for certificate in trust.tls_authorities()]
    if not authorities:
        raise KeyFileError("the trust list has no TLS authority")
    return authorities


def _load_authority(folder: Path, kek: bytes) -> _Authority:
    stored = next(iter(read_keys(folder, "tls-ca", kek=kek)), None)
    if stored is None:
        raise KeyFileError(f"{folder.name}/keys: there is no tls-ca key")
    try:
        key = load_der_private_key(stored.secret, password=None)
        certificate = x509.load_pem_x509_certificate(_authority_path(folder, stored.kid).read_bytes())
    except (OSError, ValueError) as error:
        raise KeyFileError(f"{stored.kid}: its key or certificate cannot be read") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyFileError(f"{stored.kid}: not an elliptic curve key")
    return _Authority(certificate, key)


def _aside(path: Path) -> Path:
    return path.with_suffix(path.suffix + ".new")


def _authority_path(folder: Path, kid: str) -> Path:
    return folder / "tls" / f"{kid.partition('#')[2]}.pem"


def _builder(
    *, subject: x509.Name, issuer: x509.Name, life: tuple[int, int], public: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    not_before, not_after = (datetime.fromtimestamp(at, UTC) for at in life)
    return (
        x509.CertificateBuilder(issuer, subject, public, x509.random_serial_number(), not_before, not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )  # fmt: skip


def _name(bureau: str) -> x509.Name:
    # O before CN: the order that Kafka's principal mapping and the name constraint expect.
    attributes = ((NameOID.ORGANIZATION_NAME, ORGANISATION), (NameOID.COMMON_NAME, bureau))
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _subtrees(hosts: tuple[str, ...]) -> list[x509.GeneralName]:
    names = (_general_name(host) for host in hosts)
    return [x509.IPAddress(ipaddress.ip_network(name.value)) if isinstance(name, x509.IPAddress) else name for name in names]


def _leaf_password(kek: bytes) -> bytes:
    """OpenSSL reads the leaf's key itself, so it is wrapped in OpenSSL's way, under a password that only the KEK gives."""
    return base64.b64encode(HKDF(hashes.SHA256(), 32, salt=None, info=b"quanyu tls leaf").derive(kek))
