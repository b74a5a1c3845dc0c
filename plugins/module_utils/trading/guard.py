# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The trading guard: whether the trade service may be stopped now.

Orders and positions live in the memory of the trade process only. A restart forgets them, and with them whether an
order at the exchange is still ours: so what cannot be known counts as in flight.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Optional

from ..errors import CoreError, SourceDenied
from ..host import Host
from ..tls import local_tls
from ..web import HttpReply
from .crew import PortSnapshot
from .declared import Endpoint
from .line import Line
from .parse import Orders, kind_of, parse_flag, parse_orders
from .reach import Asker
from .tally import Replies

SHOWN = 5
CURE = "set trading.orders_path where it has such a list, or trading.when_unknown"
Observe = Callable[[], PortSnapshot]


class Trading(NamedTuple):
    """What is known of the trade service.

    ``in_flight`` are the ids of the orders that a restart would forget. ``unknown`` says why there may be more than
    those; empty: these are all. ``dry_run`` holds what the workers say (both values: they disagree), and
    ``dry_run_unknown`` why that is not all, or one says nothing. ``stopped``: the service does not run, so nothing is
    in its memory. ``listed``: it was asked for its list of orders. ``reach`` and ``dry_run_reach`` say how many workers
    answered, ``cure`` and ``dry_run_cure`` what lets all of them answer, where that is what lacks.
    """

    in_flight: tuple[str, ...] = ()
    unknown: str = ""
    dry_run: frozenset[bool] = frozenset()
    dry_run_unknown: str = ""
    stopped: bool = False
    listed: bool = True
    reach: str = ""
    cure: str = ""
    dry_run_reach: str = ""
    dry_run_cure: str = ""


def sum_up(answers: Sequence[Orders], endpoint: Endpoint) -> tuple[tuple[str, ...], str]:
    """Given the answers of the workers, return the ids in flight, and why there may be others (empty: none).

    The workers' answers are taken together: an order that only one of them knows is as real as any.
    """
    orders = [order for answer in answers for order in answer.listed]
    kinds = [(order, kind_of(order, endpoint.states_in_flight, endpoint.states_final)) for order in orders]
    flying = tuple(sorted({order.id for order, kind in kinds if kind == "in_flight"}))
    strange = sorted({order.state or "(none)" for order, kind in kinds if kind == "unknown"})
    if strange:
        return flying, f"orders are in states that are not known: {', '.join(strange[:SHOWN])} (states_final)"
    return flying, next((answer.incomplete for answer in answers if answer.incomplete), "")


def without_list(endpoint: Endpoint, flag: Collection[bool], silent: str) -> str:
    """Given what the workers of a service without a list of orders say of the dry-run flag, return why orders may be in
    flight at an exchange; empty: none can, because every one of them only pretends to trade.
    """
    if set(flag) == {True} and not silent:
        return ""
    why = (
        "it trades for real"
        if False in flag
        else f"nothing says that it only pretends to trade{silent and ': '}{silent}"
    )
    return f"{endpoint.service} is asked for no list of orders (trading.orders_path is not set), and {why}; {CURE}"


def refusal(trading: Trading, endpoint: Endpoint) -> str:
    """Given what is known, return why the trade service must not be stopped; empty: it may be."""
    if trading.stopped:
        return ""
    if trading.in_flight and endpoint.when_orders != "proceed":
        return f"{counted(trading.in_flight)} in flight, and a restart forgets them: {some(trading.in_flight)}"
    if trading.unknown and endpoint.when_unknown != "proceed":
        return f"it cannot be known whether orders are in flight: {trading.unknown}"
    return ""


def counted(names: Collection[str]) -> str:
    """Return how many orders there are, and the verb for them."""
    return f"{len(names)} order{'s are' if len(names) != 1 else ' is'}"


def some(names: Sequence[str]) -> str:
    """Return the first of some orders, and how many more there are."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def collect_trading(host: Host, endpoint: Endpoint, observe: Observe, *, stopped: bool) -> Trading:
    """Given the trade service, what observes who answers there, and whether it is known to be stopped, return what is
    known of its orders and flag.
    """
    if stopped:
        return Trading(stopped=True)
    asker = Asker(host, endpoint, observe)
    flag: Replies[bool] = ask_dry_run(asker) if endpoint.dry_run_path else Replies()
    known = Trading(
        dry_run=frozenset(flag.answers),
        dry_run_unknown=flag.unavailable,
        dry_run_reach=flag.reach,
        dry_run_cure=flag.cure,
    )
    if not endpoint.orders_path:
        unknown = without_list(endpoint, known.dry_run, flag.unavailable)
        cure = "" if False in known.dry_run else flag.cure
        return known._replace(unknown=unknown, reach=flag.reach, cure=cure, listed=False)
    orders = ask_orders(asker)
    flying, doubt = sum_up(orders.answers, endpoint)
    cure = "" if doubt else orders.cure
    return known._replace(in_flight=flying, unknown=doubt or orders.unavailable, reach=orders.reach, cure=cure)


def wait_until_clear(host: Host, endpoint: Endpoint, observe: Observe, *, stopped: bool) -> Trading:
    """Ask, and where orders are to be waited for ask again until none is in flight or ``wait_timeout`` is over.

    What was known last is returned, whatever that is. Only known orders are waited for: waiting does not make known
    what cannot be known.
    """
    trading = collect_trading(host, endpoint, observe, stopped=stopped)
    waited = 0.0
    while endpoint.when_orders == "wait" and trading.in_flight and waited < endpoint.wait_timeout:
        host.pause(endpoint.wait_delay)
        waited += endpoint.wait_delay
        trading = collect_trading(host, endpoint, observe, stopped=stopped)
    return trading


def guard(host: Host, endpoint: Endpoint, observe: Observe, *, stopped: bool) -> tuple[Trading, str]:
    """Given the trade service, return what is known of it, and why it must not be stopped now (empty: it may be)."""
    trading = wait_until_clear(host, endpoint, observe, stopped=stopped)
    return trading, refusal(trading, endpoint)


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
