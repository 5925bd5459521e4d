from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509

from qwen_bridge.simulator.certificate import Certificate, make_certificate

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    return make_certificate(NOW)


def test_the_certificate_is_for_this_machine_and_for_qwen(certificate: Certificate) -> None:
    """Clients reach the simulator under the machine's names or under the live service's."""
    server = x509.load_pem_x509_certificates(certificate.chain)[0]
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"localhost", "chat.qwen.ai"}
    assert ip_address("127.0.0.1") in names.get_values_for_type(x509.IPAddress)
    assert server.not_valid_before_utc < NOW < server.not_valid_after_utc < NOW + timedelta(days=31)


def handshake(certificate: Certificate, trusted: Certificate, host: str, folder: str) -> None:
    """A whole TLS handshake in memory; raises what the client raises."""
    with open(f"{folder}/chain.pem", "wb") as chain, open(f"{folder}/key.pem", "wb") as key:
        chain.write(certificate.chain)
        key.write(certificate.key)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(f"{folder}/chain.pem", f"{folder}/key.pem")
    client_context = ssl.create_default_context(cadata=trusted.authority.decode())
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert client.version() is not None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "chat.qwen.ai"])
def test_a_strict_client_that_trusts_the_authority_connects(
    certificate: Certificate, host: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Chain, names and key usages satisfy OpenSSL's strict checks."""
    handshake(certificate, certificate, host, str(tmp_path_factory.mktemp("tls")))


def test_nobody_else_is_trusted(certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Another run's authority does not vouch for this one."""
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(certificate, make_certificate(NOW), "localhost", str(tmp_path_factory.mktemp("tls")))
