# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The trading guard: whether the trade service may be stopped now.

Orders and positions live in the memory of the trade process only. A restart forgets them, and with them whether an
order at the exchange is still ours: so what cannot be known counts as in flight.
"""

from __future__ import annotations

from ..host import Host
from .endpoint import Endpoint
from .gather import ask_dry_run, ask_orders
from .judge import Trading, refusal, sum_up, without_list


def look(host: Host, endpoint: Endpoint, *, stopped: bool) -> Trading:
    """Given the trade service, and whether it is known to be stopped, return what is known of its orders and flag."""
    if stopped:
        return Trading(stopped=True)
    flag, silent = ask_dry_run(host, endpoint) if endpoint.dry_run_path else (set(), "")
    if not endpoint.orders_path:
        return Trading((), without_list(endpoint, flag, silent), frozenset(flag), silent, listed=False)
    answers, problem = ask_orders(host, endpoint)
    flying, unknown = sum_up(answers, endpoint)
    return Trading(flying, unknown or problem, frozenset(flag), silent)


def wait_until_clear(host: Host, endpoint: Endpoint, *, stopped: bool) -> Trading:
    """Look, and where orders are to be waited for look again until none is in flight or ``wait_timeout`` is over.

    The last look is returned, whatever it shows. Only known orders are waited for: waiting does not make known what
    cannot be known.
    """
    trading = look(host, endpoint, stopped=stopped)
    waited = 0.0
    while endpoint.when_orders == "wait" and trading.in_flight and waited < endpoint.wait_timeout:
        host.pause(endpoint.wait_delay)
        waited += endpoint.wait_delay
        trading = look(host, endpoint, stopped=stopped)
    return trading


def guard(host: Host, endpoint: Endpoint, *, stopped: bool) -> tuple[Trading, str]:
    """Given the trade service, return what is known of it, and why it must not be stopped now (empty: it may be)."""
    trading = wait_until_clear(host, endpoint, stopped=stopped)
    return trading, refusal(trading, endpoint)
