# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The trading guard: whether the trade service may be stopped now.

Orders and positions live in the memory of the trade process only. A restart forgets them, and with them whether an
order at the exchange is still ours: so what cannot be known counts as in flight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..host import Host
from .crew import Sight
from .endpoint import Endpoint
from .gather import ask_dry_run, ask_orders
from .judge import Trading, refusal, sum_up, without_list
from .reach import Asker
from .tally import Replies

See = Callable[[], Sight]


def look(host: Host, endpoint: Endpoint, see: See, *, stopped: bool) -> Trading:
    """Given the trade service, what looks who answers there, and whether it is known to be stopped, return what is
    known of its orders and flag.
    """
    if stopped:
        return Trading(stopped=True)
    asker = Asker(host, endpoint, see)
    flag: Replies[bool] = ask_dry_run(asker) if endpoint.dry_run_path else Replies()
    known = Trading(
        dry_run=frozenset(flag.answers),
        dry_run_unknown=flag.problem,
        dry_run_reach=flag.reach,
        dry_run_cure=flag.cure,
    )
    if not endpoint.orders_path:
        unknown = without_list(endpoint, known.dry_run, flag.problem)
        cure = "" if False in known.dry_run else flag.cure
        return replace(known, unknown=unknown, reach=flag.reach, cure=cure, listed=False)
    orders = ask_orders(asker)
    flying, doubt = sum_up(orders.answers, endpoint)
    cure = "" if doubt else orders.cure
    return replace(known, in_flight=flying, unknown=doubt or orders.problem, reach=orders.reach, cure=cure)


def wait_until_clear(host: Host, endpoint: Endpoint, see: See, *, stopped: bool) -> Trading:
    """Look, and where orders are to be waited for look again until none is in flight or ``wait_timeout`` is over.

    The last look is returned, whatever it shows. Only known orders are waited for: waiting does not make known what
    cannot be known.
    """
    trading = look(host, endpoint, see, stopped=stopped)
    waited = 0.0
    while endpoint.when_orders == "wait" and trading.in_flight and waited < endpoint.wait_timeout:
        host.pause(endpoint.wait_delay)
        waited += endpoint.wait_delay
        trading = look(host, endpoint, see, stopped=stopped)
    return trading


def guard(host: Host, endpoint: Endpoint, see: See, *, stopped: bool) -> tuple[Trading, str]:
    """Given the trade service, return what is known of it, and why it must not be stopped now (empty: it may be)."""
    trading = wait_until_clear(host, endpoint, see, stopped=stopped)
    return trading, refusal(trading, endpoint)
