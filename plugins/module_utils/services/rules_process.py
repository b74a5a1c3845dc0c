# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about a running process against the disk and its limits: drift, pending restarts, files, memory."""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING, Finding
from ..units import human_bytes, human_seconds
from .case import Case
from .observed import Claim, Observed
from .rules_network import owns

STEADY = 0.8  # below this share of explained variance the growth is noise
WORTH = 0.2  # growth below this share of the memory is not worth a word


def judge_port_drift(case: Case) -> Iterator[Finding]:
    """All places that name a port of the service name a declared one."""
    observed = case.observed
    declared = {port.port for port in observed.service.ports}
    claims = [*observed.claims, *_live_claims(case, declared)]
    if not declared or not claims:
        return
    wrong = [claim for claim in claims if claim.port and claim.port not in declared]
    blind = [claim for claim in claims if claim.problem]
    actual = {claim.source: claim.port or None for claim in claims}
    ports = ", ".join(map(str, sorted(declared)))
    if wrong:
        places = "; ".join(f"{claim.source} says {claim.port}" for claim in wrong)
        text = f"the inventory declares port {ports} for {observed.name}, but {places}"
        yield case.finding("port_drift", WARNING, text, expected=sorted(declared), actual=actual)
    elif blind:
        text = "; ".join(claim.problem for claim in blind)
        yield case.finding("port_drift", UNKNOWN, text, expected=sorted(declared), actual=actual)
    else:
        text = f"{len(claims)} other places name port {ports} for {observed.name} as well"
        yield case.finding("port_drift", OK, text, expected=sorted(declared), actual=actual)


def _live_claims(case: Case, declared: set[int]) -> list[Claim]:
    """Return what the service really listens on, where none of that is a declared port."""
    sockets = case.snapshot.sockets.sockets if case.snapshot.sockets else ()
    mine = sorted({entry.port for entry in sockets if entry.proto == "tcp" and owns(case, entry)})
    return [] if declared.intersection(mine) else [Claim("what it listens on", port) for port in mine]


def pending_reasons(observed: Observed) -> list[str]:
    """Given a service, return why it does not run what is on the disk; service_restart acts on the same reasons."""
    replaced = sorted({path for detail in observed.details.values() for path in detail.replaced})
    reasons = [f"it runs from {path}, which was replaced on the disk" for path in replaced]
    reasons += [f"{path} has changed since it was started" for path in observed.changed_files]
    if observed.unit is not None and observed.unit.need_reload and not observed.changed_files:
        reasons.append(f"the files of {observed.unit.id} have changed since systemd read them")
    return reasons


def judge_restart_pending(case: Case) -> Iterator[Finding]:
    """A service runs what is on the disk."""
    observed = case.observed
    if not observed.alive:
        return
    reasons = pending_reasons(observed)
    if reasons:
        text = f"{observed.name} waits for a restart: {'; '.join(reasons)}"
        yield case.finding("restart_pending", WARNING, text, actual=reasons)
    elif observed.denied:
        text = f"nothing tells whether {observed.name} runs what is on the disk: {observed.denied}"
        yield case.finding("restart_pending", UNKNOWN, text, remedy=case.look_as_admin())
    elif observed.main is not None and case.age is None:
        text = f"{observed.name} began later than now by the host's clock, so nothing tells which files it has read"
        yield case.finding("restart_pending", UNKNOWN, text, remedy="Compare the clocks of host and container.")
    elif observed.odd_files:
        text = f"the time of {', '.join(observed.odd_files)} lies in the future, so nothing tells whether it was read"
        yield case.finding("restart_pending", UNKNOWN, text, remedy="Set the time of the file with touch.")
    elif observed.unread_files:
        text = f"nothing tells whether {observed.name} runs what is on the disk: {'; '.join(observed.unread_files)}"
        remedy = f"Correct services[{observed.name}].config_files, or let this account look at them."
        yield case.finding("restart_pending", UNKNOWN, text, remedy=remedy)
    else:
        yield case.finding("restart_pending", OK, f"{observed.name} runs what is on the disk")


def judge_open_files(case: Case) -> Iterator[Finding]:
    """A service is far enough from its limit of open files."""
    observed, policy = case.observed, case.policy
    if not observed.alive or not observed.details:
        return
    if case.snapshot.lacks.get("open_files"):
        yield from case.lacking("open_files")
        return
    if observed.denied:
        text = f"the open files of {observed.name} cannot be counted: {observed.denied}"
        yield case.finding("open_files", UNKNOWN, text, remedy=case.look_as_admin())
        return
    shares = [100 * d.open_files / d.open_files_limit for d in observed.details.values() if d.open_files_limit]
    share = max(shares, default=0.0)
    status = CRITICAL if share >= policy.open_files_crit else WARNING if share >= policy.open_files_warn else OK
    text = f"{observed.name} uses {share:.0f} % of the open files that it may have"
    yield case.finding("open_files", status, text, expected=f"below {policy.open_files_warn} %", actual=round(share, 1))


def judge_memory(case: Case) -> Iterator[Finding]:
    """The memory of a service stays below its maximum and does not grow steadily."""
    observed, growth = case.observed, case.growth
    most = observed.service.memory_max
    if not observed.alive or not observed.rss or growth is None:
        return
    uses = f"{observed.name} uses {human_bytes(observed.rss)}"
    expected = human_bytes(most) if most else None
    if most and observed.rss > most:
        text = f"{uses}, more than its declared maximum of {human_bytes(most)}"
        yield case.finding("memory", WARNING, text, expected=expected, actual=observed.rss)
    elif growth.samples < case.policy.leak_min_samples or growth.span < case.policy.leak_min_span:
        text = f"{uses}; whether it grows will be known after more runs ({growth.samples} samples so far)"
        yield case.finding("memory", SKIPPED, text, expected=expected, actual=observed.rss, remedy="None needed.")
    else:
        yield _judge_growth(case, uses)


def _judge_growth(case: Case, uses: str) -> Finding:
    growth, observed = case.growth, case.observed
    if growth is None:
        raise ValueError("there is no growth to judge")
    steady = growth.fit >= STEADY and growth.total >= WORTH * observed.rss
    leaks = steady and growth.per_day >= case.policy.leak_warn
    over = f"over {human_seconds(growth.span)}, {growth.samples} samples"
    text = f"{uses} and {'grows steadily by' if leaks else 'changed by'} {human_bytes(growth.per_day)} a day ({over})"
    limit = f"growth below {human_bytes(case.policy.leak_warn)} a day"
    return case.finding("memory", WARNING if leaks else OK, text, expected=limit, actual=round(growth.per_day))
