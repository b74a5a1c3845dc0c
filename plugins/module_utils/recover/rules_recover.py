# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a recovery: what is not taken over, and whether the host is ready to trade."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Optional

from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING, Check, Finding
from ..registry import Outcome, Rules, finding_of

RULES = Rules()
DRY_RUN, NAMED = "trading.dry_run", 5
STATUSES = (OK, WARNING, CRITICAL, UNKNOWN, SKIPPED)


class Context(NamedTuple):
    """A recovery. ``findings`` are what was found when the host was looked at, None before; ``failed`` is the step that
    failed with its reason. ``trades`` is whether a trade service is declared.
    """

    host: str
    set_id: str
    of_host: str = ""
    planned: bool = False
    doubts: Sequence[str] = ()
    findings: Optional[Sequence[Mapping[str, Any]]] = None
    failed: str = ""
    trades: bool = False

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return an outcome as a finding about the host."""
        return finding_of(check, outcome, self.host)


@RULES.rule(
    "recover.ready",
    procedure="B2.3",
    remedy="Put right what is named, then run the same command again: it goes on where it was.",
    source="The looks of the services, trading, databases and packet filter, made after everything was restored.",
)
def judge_ready(context: Context) -> Iterator[Outcome]:
    """The host is ready to trade: all of it is restored and no look says anything that is critical or unknown."""
    if context.failed:
        yield Outcome(CRITICAL, f"not ready to trade: {context.failed}", "every step done")
        return
    if context.findings is None:
        state = "would be made" if context.planned else "is under way"
        yield Outcome(SKIPPED, f"the recovery from set {context.set_id} of {context.of_host} {state}", remedy="")
        return
    odd = [each for each in context.findings if each.get("status") not in STATUSES]
    bad = [each for each in context.findings if each.get("status") == CRITICAL]
    dark = [each for each in context.findings if each.get("status") == UNKNOWN] + odd
    if bad:
        yield Outcome(CRITICAL, f"not ready to trade: {_first(bad)}", "nothing critical", len(bad))
    elif dark or not context.findings:
        why = _first(dark) if dark else "nothing was looked at"
        yield Outcome(UNKNOWN, f"nobody can tell whether it is ready to trade: {why}", "nothing unknown", len(dark))
    else:
        warned = sum(each.get("status") == WARNING for each in context.findings)
        text = f"ready to trade, restored from set {context.set_id}; {len(context.findings)} findings, none critical"
        yield Outcome(OK, f"{text}, {warned} warnings" if warned else text, actual="ready")


@RULES.rule(
    "recover.dry_run",
    procedure="B2.3",
    remedy="Ask the trade service yourself (cryptobot_trading.dry_run_path), and set what is meant before it trades.",
    source="The look at the trade service. A recovery never switches it.",
)
def judge_dry_run(context: Context) -> Iterator[Outcome]:
    """Whether the trade service pretends to trade is known and said; nothing has switched it."""
    if context.findings is None:
        yield Outcome(SKIPPED, "the trade service was not asked yet", remedy="")
        return
    said = [each for each in context.findings if each.get("check") == DRY_RUN]
    if said:
        status = CRITICAL if said[0].get("status") == CRITICAL else UNKNOWN if said[0].get("status") == UNKNOWN else OK
        yield Outcome(status, f"{said[0].get('message', '')} (nothing was switched)", actual=said[0].get("actual"))
    elif context.trades:
        yield Outcome(
            UNKNOWN, "nobody has said whether the trade service pretends to trade", "an answer of the service"
        )
    else:
        yield Outcome(SKIPPED, "no trade service is declared", remedy="")


@RULES.rule(
    "recover.taken_over",
    procedure="B2.3",
    remedy="Install or set up by hand what is named, or declare it (recover_packages, recover_accounts).",
    source="The system source of the set, and the release of this host.",
)
def judge_taken_over(context: Context) -> Iterator[Outcome]:
    """What the set records of its host beside the data is taken over."""
    for doubt in context.doubts:
        yield Outcome(WARNING, doubt, "taken over")
    if not context.doubts:
        yield Outcome(OK, "nothing that the set records is left out", remedy="")


def _first(found: Sequence[Mapping[str, Any]]) -> str:
    shown = [f"{each.get('check')} of {each.get('subject')}: {each.get('message', '')}" for each in found[:NAMED]]
    more = [f"and {len(found) - NAMED} more"] if len(found) > NAMED else []
    return "; ".join([*shown, *more])
