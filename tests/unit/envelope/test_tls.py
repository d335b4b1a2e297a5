"""TLS of the peer port: version 1.3, a certificate of a listed authority at both ends, nothing else."""

from __future__ import annotations

import base64
import json
import shutil
import ssl
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

from shared.envelope.ceremony import BureauEntry, add_bureau, current_list, make_federation, next_list, revoke_key
from shared.envelope.errors import KeyFileError
from shared.envelope.keys import read_kek, read_keys, write_key
from shared.envelope.tls import TlsDoor, issue_leaf, renew_leaf, tls_client_context, tls_server_context
from shared.envelope.trust_list import TrustList

if TYPE_CHECKING:
    from tests.unit.envelope.conftest import World


BUREAUS = [BureauEntry(code, code, "", "https://peer.example:9033") for code in ("zhejiang", "anhui", "jiangsu")]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Real time: OpenSSL judges lives by the machine's clock.
    made = tmp_path_factory.mktemp("tls") / "federation"
    make_federation(made, BUREAUS, int(time.time()))
    return made


@pytest.fixture(scope="session")
def trust(folder: Path) -> TrustList:
    return current_list(folder)


def shake_hands(
    server: ssl.SSLContext, client: ssl.SSLContext, host: str = "localhost", session: ssl.SSLSession | None = None
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Both ends of a connection in memory; raises SSLError like a socket would."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    there = server.wrap_bio(to_server, to_client, server_side=True)
    here = client.wrap_bio(to_client, to_server, server_hostname=host, session=session)
    for _ in range(4):
        for end in (here, there):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    there.write(b"x")
    here.read(1)
    return there, here


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "peer.example"])
def test_two_bureaus_meet_at_every_name_of_the_peer_port(folder: Path, trust: TrustList, host: str) -> None:
    server, client = tls_server_context(folder / "zhejiang", trust), tls_client_context(folder / "anhui", trust)
    there, here = shake_hands(server, client, host)
    assert there.version() == "TLSv1.3"
    assert there.getpeercert()["subject"] == ((("organizationName", "Four Bureaus"),), (("commonName", "anhui"),))
    assert here.getpeercert()["subject"] == ((("organizationName", "Four Bureaus"),), (("commonName", "zhejiang"),))


def test_other_host_name_is_refused(folder: Path, trust: TrustList) -> None:
    server, client = tls_server_context(folder / "zhejiang", trust), tls_client_context(folder / "anhui", trust)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(server, client, "other.example")


def test_client_without_a_certificate_is_refused(folder: Path, trust: TrustList) -> None:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata="".join(pem(folder, bureau.code) for bureau in BUREAUS))
    with pytest.raises(ssl.SSLError, match="did not return a certificate"):
        shake_hands(tls_server_context(folder / "zhejiang", trust), client)


def test_tls_1_2_is_refused(folder: Path, trust: TrustList) -> None:
    client = tls_client_context(folder / "anhui", trust)
    client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match=r"(?i)unsupported protocol|version"):
        shake_hands(tls_server_context(folder / "zhejiang", trust), client)


def test_client_of_a_foreign_authority_is_refused(folder: Path, trust: TrustList, tmp_path: Path) -> None:
    make_federation(tmp_path / "other", BUREAUS, int(time.time()))
    foreign = tls_client_context(tmp_path / "other" / "anhui", trust)
    with pytest.raises(ssl.SSLError, match=r"certificate verify failed|signature"):
        shake_hands(tls_server_context(folder / "zhejiang", trust), foreign)


def test_authority_that_is_revoked_in_the_list_is_no_longer_believed(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    raw = next_list(copy, now=int(time.time()), revoke={"anhui#tls-ca-" + period(copy): "stolen"})
    newer = current_list(copy).parse(payload(raw))
    assert len(newer.tls_authorities()) == 2
    client = tls_client_context(copy / "anhui", current_list(copy))
    with pytest.raises(ssl.SSLError, match="certificate verify failed"):
        shake_hands(tls_server_context(copy / "zhejiang", newer), client)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])  # with a name in the client's hello, and without one
def test_door_that_is_renewed_lets_in_who_joins_and_not_who_is_revoked(folder: Path, tmp_path: Path, host: str) -> None:
    copy, now = shutil.copytree(folder, tmp_path / "copy"), int(time.time())
    door, old = TlsDoor(copy / "zhejiang", current_list(copy)), tls_client_context(copy / "anhui", current_list(copy))
    shake_hands(door.context, old, host)
    add_bureau(copy, BureauEntry("fujian", "fujian", "", "https://peer.example:9034"), now=now)
    revoke_key(copy, "anhui#tls-ca-" + period(copy), now=now, reason="stolen")
    joined = tls_client_context(copy / "fujian", current_list(copy))
    with pytest.raises(ssl.SSLError, match="certificate verify failed"):
        shake_hands(door.context, joined, host)
    door.renew(current_list(copy))
    shake_hands(door.context, joined, host)
    with pytest.raises(ssl.SSLError, match="certificate verify failed"):
        shake_hands(door.context, old, host)


def test_no_session_is_resumed_so_that_every_connection_shows_its_certificate(folder: Path, trust: TrustList) -> None:
    """A resumed session is not asked for its certificate, whose authority may have been revoked since."""
    door, client = TlsDoor(folder / "zhejiang", trust), tls_client_context(folder / "anhui", trust)
    for _ in range(2):
        _, here = shake_hands(door.context, client)
        _, again = shake_hands(door.context, client, session=here.session)
        assert not again.session_reused
        door.renew(trust)


def test_authority_cannot_vouch_for_another_bureau_or_host(folder: Path, trust: TrustList, tmp_path: Path) -> None:
    """Anhui's authority, stolen, issues a leaf that calls itself Jiangsu, and one for a host that is not Anhui's."""
    for name, host, error in (
        ("jiangsu", "localhost", "permitted subtree"),
        ("anhui", "peer.jiangsu.example", "permitted subtree"),
    ):
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.load_verify_locations(cadata=pem(folder, "zhejiang"))
        client.load_cert_chain(forged_leaf(folder, name, host, tmp_path / f"{name}.pem"))
        with pytest.raises(ssl.SSLCertVerificationError, match=error):
            shake_hands(tls_server_context(folder / "zhejiang", trust), client)
    client.load_cert_chain(forged_leaf(folder, "anhui", "localhost", tmp_path / "own.pem"))
    shake_hands(tls_server_context(folder / "zhejiang", trust), client)


def test_leaf_lives_90_days_and_is_renewed_in_the_last_30(folder: Path, trust: TrustList, tmp_path: Path) -> None:
    copy, now = shutil.copytree(folder, tmp_path / "copy"), int(time.time())
    before = (copy / "anhui" / "tls" / "leaf.pem").read_bytes()
    leaf = x509.load_pem_x509_certificate(before)
    assert 90 <= (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days <= 91

    assert not renew_leaf(copy / "anhui", "anhui", now=now + 59 * 86400)
    assert (copy / "anhui" / "tls" / "leaf.pem").read_bytes() == before
    issue_leaf(copy / "anhui", "anhui", kek=read_kek(copy / "anhui"), now=now - 61 * 86400, hosts=("127.0.0.1", "peer.example"))
    assert renew_leaf(copy / "anhui", "anhui", now=now)
    server, client = tls_server_context(copy / "anhui", trust), tls_client_context(copy / "zhejiang", trust)
    _, here = shake_hands(server, client, "127.0.0.1")
    assert here.getpeercert()["subjectAltName"] == (("IP Address", "127.0.0.1"), ("DNS", "peer.example"))


@pytest.mark.parametrize("data", [None, b"", b"garbage"])
def test_leaf_that_cannot_be_read_is_not_renewed(folder: Path, tmp_path: Path, data: bytes | None) -> None:
    copy = shutil.copytree(folder / "anhui", tmp_path / "anhui")
    (copy / "tls" / "leaf.pem").unlink()
    if data is not None:
        (copy / "tls" / "leaf.pem").write_bytes(data)
    with pytest.raises(KeyFileError, match="cannot be read"):
        renew_leaf(copy, "anhui", now=int(time.time()))


def test_expired_leaf_is_refused(folder: Path, trust: TrustList, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    issue_leaf(copy / "anhui", "anhui", kek=read_kek(copy / "anhui"), now=int(time.time()) - 91 * 86400, hosts=("localhost",))
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
        shake_hands(tls_server_context(copy / "zhejiang", trust), tls_client_context(copy / "anhui", trust))


@pytest.mark.parametrize("name", ["leaf.pem", "leaf.key"])
def test_missing_leaf_is_named(folder: Path, trust: TrustList, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(folder / "anhui", tmp_path / "anhui")
    (copy / "tls" / name).unlink()
    with pytest.raises(KeyFileError, match="tls/leaf: No such file"):
        tls_client_context(copy, trust)


def test_leaf_key_under_another_key_encryption_key_is_named(folder: Path, trust: TrustList, tmp_path: Path) -> None:
    copy = shutil.copytree(folder / "anhui", tmp_path / "anhui")
    (copy / "kek").write_bytes(bytes(32))
    with pytest.raises(KeyFileError, match="tls/leaf"):
        tls_client_context(copy, trust)


def test_list_without_authorities_is_named(world: World, folder: Path) -> None:
    with pytest.raises(KeyFileError, match="no TLS authority"):
        tls_server_context(folder / "anhui", world.trust)


@pytest.mark.parametrize("name", ["keys", "tls"])
def test_leaf_without_its_authority_is_not_issued(folder: Path, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(folder / "anhui", tmp_path / "anhui")
    next((copy / name).glob("tls-ca-*")).unlink()
    with pytest.raises(KeyFileError, match="tls-ca"):
        issue_leaf(copy, "anhui", kek=read_kek(copy), now=int(time.time()), hosts=("localhost",))


@pytest.mark.parametrize(("secret", "message"), [(b"garbage", "cannot be read"), (None, "not an elliptic curve key")])
def test_leaf_is_not_issued_under_an_authority_key_of_another_kind(
    folder: Path, tmp_path: Path, secret: bytes | None, message: str
) -> None:
    copy = shutil.copytree(folder / "anhui", tmp_path / "anhui")
    kek, stored = read_kek(copy), read_keys(copy, "tls-ca", kek=read_kek(copy))[0]
    other = Ed25519PrivateKey.generate().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    next((copy / "keys").glob("tls-ca-*.key")).unlink()
    write_key(copy, replace(stored, secret=other if secret is None else secret), kek=kek)
    with pytest.raises(KeyFileError, match=message):
        issue_leaf(copy, "anhui", kek=kek, now=int(time.time()), hosts=("localhost",))


def pem(folder: Path, bureau: str) -> str:
    return next((folder / bureau / "tls").glob("tls-ca-*.pem")).read_text()


def period(folder: Path) -> str:
    return next((folder / "anhui" / "tls").glob("tls-ca-*.pem")).stem.removeprefix("tls-ca-")


def payload(raw: bytes) -> bytes:
    return base64.urlsafe_b64decode(json.loads(raw)["payload"] + "==")


def forged_leaf(folder: Path, name: str, host: str, path: Path) -> Path:
    """A client certificate signed by Anhui's authority, with key, under any name."""
    authority = load_der_private_key(read_keys(folder / "anhui", "tls-ca", kek=read_kek(folder / "anhui"))[0].secret, None)
    issuer = x509.load_pem_x509_certificate(pem(folder, "anhui").encode())
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = ((x509.NameOID.ORGANIZATION_NAME, "Four Bureaus"), (x509.NameOID.COMMON_NAME, name))
    subject = x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes])
    life = (issuer.not_valid_before_utc, issuer.not_valid_after_utc)
    leaf = (
        x509.CertificateBuilder(issuer.subject, subject, key.public_key(), x509.random_serial_number(), *life)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(authority, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + leaf.public_bytes(Encoding.PEM))
    return path
