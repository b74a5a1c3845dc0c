# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking the trade service, several times each question: the only I/O of this noun."""

from __future__ import annotations

from ..errors import CoreError, SourceDenied
from ..host import Host
from ..tls import local_tls
from .endpoint import Endpoint
from .parse import Orders, parse_flag, parse_orders


def ask_orders(host: Host, endpoint: Endpoint) -> list[Orders]:
    """Return what each ask for the open orders was answered. Raise CoreError at the first that got no list."""
    source = endpoint.url + endpoint.orders_path
    bodies = [_body(host, endpoint, source) for _ask in range(endpoint.asks)]
    return [parse_orders(source, b, items=endpoint.orders_items, state_field=endpoint.state_field) for b in bodies]


def ask_dry_run(host: Host, endpoint: Endpoint) -> set[bool]:
    """Return what the workers say of the dry-run flag: both values where they disagree. Raise CoreError."""
    source = endpoint.url + endpoint.dry_run_path
    bodies = [_body(host, endpoint, source) for _ask in range(endpoint.asks)]
    return {parse_flag(source, body, endpoint.dry_run_field) for body in bodies}


def _body(host: Host, endpoint: Endpoint, source: str) -> str:
    if not endpoint.url:
        raise CoreError(f"it is not known where to ask {endpoint.service}: declare its port, or trading.url")
    try:
        tls = local_tls(verify=endpoint.tls_verify, ca_path=endpoint.ca_path) if source.startswith("https:") else None
    except OSError as error:
        raise SourceDenied(endpoint.ca_path or "the authorities that the system trusts", str(error)) from error
    reply = host.http(source, endpoint.timeout, headers=endpoint.headers, tls=tls)
    if reply.status in (401, 403):
        raise SourceDenied(source, f"it answers {reply.status}, expected 200 (trading.token)")
    if reply.status != 200:
        raise CoreError(f"{source} answers {reply.status}, expected 200")
    return reply.body
