# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking the trade service, several times each question: the only I/O of this noun."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..errors import CoreError, SourceDenied
from ..host import Host
from ..tls import local_tls
from .endpoint import Endpoint
from .parse import Orders, parse_flag, parse_orders

Answer = TypeVar("Answer")


def ask_orders(host: Host, endpoint: Endpoint) -> tuple[list[Orders], str]:
    """Return what the asks for the open orders were answered, and why one of them got no list (empty: all did)."""
    source = endpoint.url + endpoint.orders_path
    return _ask_all(
        host, endpoint, source, "orders_path, or when_unknown", lambda body: _orders(endpoint, source, body)
    )


def _orders(endpoint: Endpoint, source: str, body: str) -> Orders:
    return parse_orders(source, body, items=endpoint.orders_items, state_field=endpoint.state_field)


def ask_dry_run(host: Host, endpoint: Endpoint) -> tuple[set[bool], str]:
    """Return what the workers say of the dry-run flag (both values where they disagree), and why one says nothing."""
    source = endpoint.url + endpoint.dry_run_path
    said, problem = _ask_all(
        host, endpoint, source, "dry_run_path", lambda body: parse_flag(source, body, endpoint.dry_run_field)
    )
    return set(said), problem


def _ask_all(
    host: Host, endpoint: Endpoint, source: str, option: str, parse: Callable[[str], Answer]
) -> tuple[list[Answer], str]:
    """Put a question as often as declared. A worker that does not answer takes nothing away from what others say, and
    two that do not are enough: each may take its whole time.
    """
    answers: list[Answer] = []
    problems: list[str] = []
    for _ask in range(endpoint.asks):
        try:
            answers.append(parse(_body(host, endpoint, source, option)))
        except CoreError as error:
            problems.append(str(error))
        if len(problems) > 1 and not answers:
            break
    return answers, next(iter(problems), "")


def _body(host: Host, endpoint: Endpoint, source: str, option: str) -> str:
    if not endpoint.url:
        raise CoreError(f"it is not known where to ask {endpoint.service}: declare its port, or trading.url")
    try:
        tls = local_tls(verify=endpoint.tls_verify, ca_path=endpoint.ca_path) if source.startswith("https:") else None
    except OSError as error:
        raise SourceDenied(endpoint.ca_path or "the authorities that the system trusts", str(error)) from error
    reply = host.http(source, endpoint.timeout, headers=endpoint.headers, tls=tls)
    if reply.status in (401, 403):
        raise SourceDenied(source, f"it answers {reply.status}, expected 200 (trading.token)")
    if reply.status in (404, 405):
        what = f"{source} answers {reply.status}: {endpoint.service} has no such list or flag"
        raise CoreError(f"{what}; set trading.{option}")
    if reply.status != 200:
        raise CoreError(f"{source} answers {reply.status}, expected 200")
    return reply.body
