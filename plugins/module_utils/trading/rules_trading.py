# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the trading guard finds: orders that a restart would forget, a dry-run flag that is not what is meant. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Optional

from ..finding import CRITICAL, OK, UNKNOWN, WARNING, Check, Finding
from ..registry import Outcome, Rules, finding_of
from .declared import Endpoint
from .guard import CURE, Trading, counted, some

RULES = Rules()


class TradingContext(NamedTuple):
    """What is known of trading: before anything is stopped, and where the service was restarted also ``after`` that."""

    trading: Trading
    endpoint: Endpoint
    after: Optional[Trading] = None

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return an outcome as a finding of the trade service."""
        return finding_of(check, outcome, self.endpoint.service)


@RULES.rule(
    "trading.orders_in_flight",
    procedure="W1.4",
    remedy="Wait until the orders are filled or cancel them at the exchange, then run it again.",
    source="orders and positions live in the memory of each worker process only: all that hold its port are asked",
)
def judge_orders_in_flight(context: TradingContext) -> Iterator[Outcome]:
    """No order is in flight in the memory of the trade service, which a restart would forget."""
    trading, name = context.trading, context.endpoint.service
    if trading.stopped:
        yield Outcome(OK, f"{name} does not run, so no order is in its memory", actual=0)
    elif trading.in_flight:
        text = f"{counted(trading.in_flight)} in flight in {name}: {some(trading.in_flight)}"
        yield Outcome(WARNING, text, 0, len(trading.in_flight))
    elif trading.unknown:
        text = f"it cannot be known what {name} has in flight: {trading.unknown}"
        yield Outcome(UNKNOWN, text, remedy=_remedy(trading))
    elif not trading.listed:
        text = f"{name} only pretends to trade, so none of its orders is at an exchange (it has no list of orders)"
        yield Outcome(OK, text + _by(trading.reach), 0, 0)
    else:
        yield Outcome(OK, f"no order is in flight in {name}{_by(trading.reach)}", 0, 0)


@RULES.rule(
    "trading.dry_run",
    procedure="W1.4",
    remedy="Look at DRY_RUN in the service's environment, and set the flag of the running service to what is meant.",
    source="the flag is a copy in each worker process, set from the environment at every start: all that hold its port "
    "are asked",
)
def judge_dry_run(context: TradingContext) -> Iterator[Outcome]:
    """The trade service pretends to trade, or trades, as it is meant to: the flag is lost with the process.

    After a restart it is also what it was before.
    """
    endpoint = context.endpoint
    before, trading = (None, context.trading) if context.after is None else (context.trading, context.after)
    if trading.stopped or not endpoint.dry_run_path:
        return
    status, text = _said_of_flag(trading, endpoint, before)
    expected = endpoint.dry_run if before is None else _plain(before.dry_run)
    remedy = trading.dry_run_cure if status == UNKNOWN else ""
    text += _by(trading.dry_run_reach) if status == OK else ""
    yield Outcome(status, text, expected, _plain(trading.dry_run), remedy or None)


def _by(reach: str) -> str:
    """The evidence of what is said to be well: who said so."""
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


def _said_of_flag(trading: Trading, endpoint: Endpoint, before: Optional[Trading]) -> tuple[str, str]:
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
