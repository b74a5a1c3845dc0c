# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about a running process against the disk and its limits: drift, pending restarts, files, memory."""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING
from ..registry import Outcome, Rules
from ..units import human_bytes, human_seconds
from .context import Context
from .model import Claim
from .reasons import pending_reasons
from .rules_network import owns

RULES = Rules()
STEADY = 0.8  # below this share of explained variance the growth is noise
WORTH = 0.2  # growth below this share of the memory is not worth a word


@RULES.rule(
    "services.port_drift",
    procedure="D1.2",
    remedy="Decide which place is right and correct the others; the inventory is what the other checks believe.",
    source="the application ships seven port maps that contradict each other",
)
def judge_port_drift(context: Context) -> Iterator[Outcome]:
    """Unit, environment, configuration, command line and inventory name the same port for a service."""
    observed = context.observed
    declared = {port.port for port in observed.service.ports}
    claims = [*observed.claims, *_live_claims(context, declared)]
    if not declared or not claims:
        return
    wrong = [claim for claim in claims if claim.port and claim.port not in declared]
    unavailable = [claim for claim in claims if claim.unavailable]
    actual = {claim.source: claim.port or None for claim in claims}
    ports = ", ".join(map(str, sorted(declared)))
    if wrong:
        places = "; ".join(f"{claim.source} says {claim.port}" for claim in wrong)
        text = f"the inventory declares port {ports} for {observed.name}, but {places}"
        yield Outcome(WARNING, text, expected=sorted(declared), actual=actual)
    elif unavailable:
        text = "; ".join(claim.unavailable for claim in unavailable)
        yield Outcome(UNKNOWN, text, expected=sorted(declared), actual=actual)
    else:
        text = f"{len(claims)} other places name port {ports} for {observed.name} as well"
        yield Outcome(OK, text, expected=sorted(declared), actual=actual)


def _live_claims(context: Context, declared: set[int]) -> list[Claim]:
    """Return what the service really listens on, where none of that is a declared port."""
    sockets = context.snapshot.sockets.sockets if context.snapshot.sockets else ()
    mine = sorted({entry.port for entry in sockets if entry.proto == "tcp" and owns(context, entry)})
    return [] if declared.intersection(mine) else [Claim("what it listens on", port) for port in mine]


@RULES.rule(
    "services.restart_pending",
    procedure="D1.2",
    remedy="Restart it in its window (procedure W1.4).",
    source="needrestart's rule: mapped program files that were deleted or replaced; by time on macOS and Windows",
)
def judge_restart_pending(context: Context) -> Iterator[Outcome]:
    """A service runs what is on the disk: its program, libraries, unit and configuration have not changed since."""
    observed = context.observed
    if not observed.alive:
        return
    reasons = pending_reasons(observed)
    if reasons:
        text = f"{observed.name} waits for a restart: {'; '.join(reasons)}"
        yield Outcome(WARNING, text, actual=reasons)
    elif observed.denied:
        text = f"nothing tells whether {observed.name} runs what is on the disk: {observed.denied}"
        yield Outcome(UNKNOWN, text, remedy=context.as_admin())
    elif observed.main is not None and context.age is None:
        text = f"{observed.name} began later than now by the host's clock, so nothing tells which files it has read"
        yield Outcome(UNKNOWN, text, remedy="Compare the clocks of host and container.")
    elif observed.odd_files:
        text = f"the time of {', '.join(observed.odd_files)} lies in the future, so nothing tells whether it was read"
        yield Outcome(UNKNOWN, text, remedy="Set the time of the file with touch.")
    elif observed.unread_files:
        text = f"nothing tells whether {observed.name} runs what is on the disk: {'; '.join(observed.unread_files)}"
        remedy = f"Correct services[{observed.name}].config_files, or let this account look at them."
        yield Outcome(UNKNOWN, text, remedy=remedy)
    else:
        yield Outcome(OK, f"{observed.name} runs what is on the disk")


@RULES.rule(
    "services.open_files",
    procedure="D1.2",
    remedy="Raise LimitNOFILE= if the use is honest, else look for connections never closed (ls -l /proc/PID/fd).",
    source="70 % and 90 %, the thresholds of resource_check for the whole host; skipped on macOS and Windows",
)
def judge_open_files(context: Context) -> Iterator[Outcome]:
    """A service is far enough from its limit of open files."""
    observed, policy = context.observed, context.policy
    if not observed.alive or not observed.details:
        return
    if context.snapshot.lacks.get("open_files"):
        yield from context.lacking("open_files")
        return
    if observed.denied:
        text = f"the open files of {observed.name} cannot be counted: {observed.denied}"
        yield Outcome(UNKNOWN, text, remedy=context.as_admin())
        return
    shares = [100 * d.open_files / d.open_files_limit for d in observed.details.values() if d.open_files_limit]
    share = max(shares, default=0.0)
    status = CRITICAL if share >= policy.open_files_crit else WARNING if share >= policy.open_files_warn else OK
    text = f"{observed.name} uses {share:.0f} % of the open files that it may have"
    yield Outcome(status, text, expected=f"below {policy.open_files_warn} %", actual=round(share, 1))


@RULES.rule(
    "services.memory",
    procedure="D1.2",
    remedy="Restart it in its window (W1.4) and report the growth to its developers.",
    source="least-squares slope over the samples since the process began",
)
def judge_memory(context: Context) -> Iterator[Outcome]:
    """The memory of a service stays below its declared maximum and does not grow steadily."""
    observed, growth = context.observed, context.growth
    most = observed.service.memory_max
    if not observed.alive or not observed.rss or growth is None:
        return
    uses = f"{observed.name} uses {human_bytes(observed.rss)}"
    expected = human_bytes(most) if most else None
    if most and observed.rss > most:
        text = f"{uses}, more than its declared maximum of {human_bytes(most)}"
        yield Outcome(WARNING, text, expected=expected, actual=observed.rss)
    elif growth.samples < context.policy.leak_min_samples or growth.span < context.policy.leak_min_span:
        text = f"{uses}; whether it grows will be known after more runs ({growth.samples} samples so far)"
        yield Outcome(SKIPPED, text, expected=expected, actual=observed.rss, remedy="None needed.")
    else:
        yield _judge_growth(context, uses)


def _judge_growth(context: Context, uses: str) -> Outcome:
    growth, observed = context.growth, context.observed
    if growth is None:
        raise ValueError("there is no growth to judge")
    steady = growth.fit >= STEADY and growth.total >= WORTH * observed.rss
    leaks = steady and growth.per_day >= context.policy.leak_warn
    over = f"over {human_seconds(growth.span)}, {growth.samples} samples"
    text = f"{uses} and {'grows steadily by' if leaks else 'changed by'} {human_bytes(growth.per_day)} a day ({over})"
    limit = f"growth below {human_bytes(context.policy.leak_warn)} a day"
    return Outcome(WARNING if leaks else OK, text, expected=limit, actual=round(growth.per_day))
