"""Throwaway certificates: each signs itself, with a key of its own."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID


def make_pair(
    folder: Path, name: str, *, since: float = -1, until: float = 90, password: str = ""
) -> tuple[Path, Path]:
    """Files with a certificate for `name` and its key, in `folder`; valid from and until, in days from now."""
    key, now = generate_private_key(SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=since))
        .not_valid_after(now + timedelta(days=until))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, SHA256())
    )
    sealed: KeySerializationEncryption = NoEncryption()
    if password:
        sealed = BestAvailableEncryption(password.encode())
    files = folder / "server.crt", folder / "server.key"
    folder.mkdir(parents=True, exist_ok=True)
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed))
    files[1].chmod(0o600)
    return files
