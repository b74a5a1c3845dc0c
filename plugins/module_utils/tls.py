# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS towards a service of this host: whom to trust, and when the certificate that it shows ends."""

from __future__ import annotations

import socket
import ssl
from typing import Optional

from .reading import read_declared_file

# openssl's X509_V_FLAG_...: a certificate may be its own anchor; one that has ended may be read (x509_vfy.h)
MAX_AUTHORITIES = 4 << 20
_PARTIAL_CHAIN, _NO_CHECK_TIME = 0x80000, 0x200000


def local_tls(*, verify: bool, ca_path: Optional[str]) -> ssl.SSLContext:
    """Return how to talk TLS to a service by an address of this host instead of the name in its certificate.

    The certificate must be signed by an authority of ``ca_path``, or of the system where that is None, unless
    ``verify`` is false. Raise CoreError where ``ca_path`` cannot be read, OSError where it holds no certificate.
    """
    context = ssl.create_default_context(cadata=_authorities(ca_path) if ca_path else None)
    context.check_hostname = False
    if not verify:
        context.verify_mode = ssl.CERT_NONE
    return context


def _authorities(path: str) -> str:
    """Return the certificates in a file. It is not openssl that reads it: that would wait for a pipe in its place."""
    text = read_declared_file(path, MAX_AUTHORITIES).decode("ascii", "ignore")
    if "-----BEGIN" not in text:
        raise OSError(f"{path} holds no certificate")  # nothing at all would stand for the authorities of the system
    return text


def certificate_end(address: str, port: int, timeout: float) -> float:
    """Given where a TLS server listens, return when its certificate ends, in seconds since the epoch.

    Whoever signed it, and also when it has ended already. Raise OSError where no certificate is shown.
    """
    with _connect(address, port, timeout, local_tls(verify=False, ca_path=None)) as connection:
        shown = connection.getpeercert(binary_form=True)
    # The fields of a certificate are told only once it is verified: verify it against itself.
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.load_verify_locations(cadata=shown or b"")
    trusting.verify_flags |= _PARTIAL_CHAIN | _NO_CHECK_TIME
    with _connect(address, port, timeout, trusting) as connection:
        return float(ssl.cert_time_to_seconds(str((connection.getpeercert() or {})["notAfter"])))


def _connect(address: str, port: int, timeout: float, context: ssl.SSLContext) -> ssl.SSLSocket:
    return context.wrap_socket(socket.create_connection((address, port), timeout))
