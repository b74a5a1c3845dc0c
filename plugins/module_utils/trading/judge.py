# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of orders and flag, and what follows: pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from ..finding import CRITICAL, OK, UNKNOWN, WARNING, Finding
from .checks import CHECKS
from .endpoint import Endpoint
from .parse import Orders, kind_of

SHOWN = 5
CURE = "set trading.orders_path where it has such a list, or trading.when_unknown"


@dataclass(frozen=True)
class Trading:
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
        return f"{_count(trading.in_flight)} in flight, and a restart forgets them: {_some(trading.in_flight)}"
    if trading.unknown and endpoint.when_unknown != "proceed":
        return f"it cannot be known whether orders are in flight: {trading.unknown}"
    return ""


def _count(names: Collection[str]) -> str:
    return f"{len(names)} order{'s are' if len(names) != 1 else ' is'}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def judge_orders(trading: Trading, endpoint: Endpoint) -> Finding:
    """No order is in flight in the memory of the trade service."""
    check, subject = CHECKS["trading.orders_in_flight"], endpoint.service
    if trading.stopped:
        return check.finding(OK, subject, f"{subject} does not run, so no order is in its memory", actual=0)
    if trading.in_flight:
        text = f"{_count(trading.in_flight)} in flight in {subject}: {_some(trading.in_flight)}"
        return check.finding(WARNING, subject, text, expected=0, actual=len(trading.in_flight))
    if trading.unknown:
        text = f"it cannot be known what {subject} has in flight: {trading.unknown}"
        return check.finding(UNKNOWN, subject, text, remedy=_remedy(trading))
    if not trading.listed:
        text = f"{subject} only pretends to trade, so none of its orders is at an exchange (it has no list of orders)"
        return check.finding(OK, subject, text + _by(trading.reach), expected=0, actual=0)
    text = f"no order is in flight in {subject}{_by(trading.reach)}"
    return check.finding(OK, subject, text, expected=0, actual=0)


def judge_dry_run(trading: Trading, endpoint: Endpoint, before: Optional[Trading] = None) -> list[Finding]:
    """The dry-run flag is what it is meant to be, and after a restart what it was before."""
    if trading.stopped or not endpoint.dry_run_path:
        return []
    status, text = _dry_run_verdict(trading, endpoint, before)
    expected = endpoint.dry_run if before is None else _plain(before.dry_run)
    actual = _plain(trading.dry_run)
    check, text = CHECKS["trading.dry_run"], text + (_by(trading.dry_run_reach) if status == OK else "")
    cure = trading.dry_run_cure if status == UNKNOWN else ""
    return [check.finding(status, endpoint.service, text, expected=expected, actual=actual, remedy=cure or None)]


def _by(reach: str) -> str:
    """The evidence of a good verdict: who said so."""
    return f": {reach}" if reach else ""


def _remedy(trading: Trading) -> str:
    """Waiting makes nothing known: say what does."""
    if trading.cure:
        return trading.cure
    if not trading.listed or "has no such list" in trading.unknown:
        return f"S{CURE[1:]} (proceed) where a restart may forget orders."
    return (
        "Find out why it does not tell its orders; trading.when_unknown says whether it may be restarted all the same."
    )


def _dry_run_verdict(trading: Trading, endpoint: Endpoint, before: Optional[Trading]) -> tuple[str, str]:
    name, flag = endpoint.service, trading.dry_run
    if len(flag) > 1:
        meant = "" if endpoint.dry_run is None else f"; the inventory declares dry_run: {str(endpoint.dry_run).lower()}"
        return CRITICAL, f"the workers of {name} disagree: some pretend to trade and some trade for real{meant}"
    does = "pretends to trade (dry run)" if True in flag else "trades for real"
    if flag and before is not None and before.dry_run and before.dry_run != flag:
        return CRITICAL, f"{name} {does} since its restart, and did not before: the restart has reset the flag"
    if flag and endpoint.dry_run is not None and flag != {endpoint.dry_run}:
        return CRITICAL, f"{name} {does}, but the inventory declares dry_run: {str(endpoint.dry_run).lower()}"
    if trading.dry_run_unknown:
        return UNKNOWN, f"it cannot be known whether {name} pretends to trade: {trading.dry_run_unknown}"
    return (OK, f"{name} {does}, as declared") if endpoint.dry_run is not None else _undeclared(name, does, before)


def _undeclared(name: str, does: str, before: Optional[Trading]) -> tuple[str, str]:
    if before is None:
        reset = "a restart resets that to DRY_RUN of its environment (true where that says nothing)"
        return WARNING, f"{name} {does}; {reset}; declare trading.dry_run to have it watched"
    if not before.dry_run:
        return UNKNOWN, f"{name} {does}; what it did before its restart is not known"
    return OK, f"{name} {does}, as before"


def _plain(flag: frozenset[bool]) -> Any:
    return next(iter(flag)) if len(flag) == 1 else sorted(flag)
