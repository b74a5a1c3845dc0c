# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking the trade service for its orders and its flag: what each question is, and what an answer to it must be."""

from __future__ import annotations

from typing import Optional

from ..errors import CoreError, SourceDenied
from ..tls import local_tls
from ..web import HttpReply
from .line import Line
from .parse import Orders, parse_flag, parse_orders
from .reach import Asker
from .tally import Replies


def ask_orders(asker: Asker) -> Replies[Orders]:
    """Return what the workers say of the open orders."""
    endpoint = asker.endpoint
    source = endpoint.url + endpoint.orders_path

    def ask(line: Optional[Line]) -> Orders:
        body = _body(asker, source, "orders_path, or when_unknown", line)
        return parse_orders(source, body, items=endpoint.orders_items, state_field=endpoint.state_field)

    return asker.put(ask)


def ask_dry_run(asker: Asker) -> Replies[bool]:
    """Return what the workers say of the dry-run flag (both values where they disagree)."""
    source = asker.endpoint.url + asker.endpoint.dry_run_path

    def ask(line: Optional[Line]) -> bool:
        return parse_flag(source, _body(asker, source, "dry_run_path", line), asker.endpoint.dry_run_field)

    return asker.put(ask)


def _body(asker: Asker, source: str, option: str, line: Optional[Line]) -> str:
    endpoint = asker.endpoint
    if not endpoint.url:
        raise CoreError(f"it is not known where to ask {endpoint.service}: declare its port, or trading.url")
    reply = _reply(asker, source, line)
    if reply.status in (401, 403):
        raise SourceDenied(source, f"it answers {reply.status}, expected 200 (trading.token)")
    if reply.status in (404, 405):
        what = f"{source} answers {reply.status}: {endpoint.service} has no such list or flag"
        raise CoreError(f"{what}; set trading.{option}")
    if reply.status != 200:
        raise CoreError(f"{source} answers {reply.status}, expected 200")
    return reply.body


def _reply(asker: Asker, source: str, line: Optional[Line]) -> HttpReply:
    endpoint = asker.endpoint
    try:
        tls = local_tls(verify=endpoint.tls_verify, ca_path=endpoint.ca_path) if source.startswith("https:") else None
    except OSError as error:
        raise SourceDenied(endpoint.ca_path or "the authorities that the system trusts", str(error)) from error
    if line is None:
        return asker.host.http(source, endpoint.timeout, headers=endpoint.headers, tls=tls)
    return line.get(source, endpoint.timeout, headers=endpoint.headers, tls=tls)
