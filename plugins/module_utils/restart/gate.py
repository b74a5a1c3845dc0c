# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The health gate: a service that was started must be as well as it was before, and stay so."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..finding import CRITICAL, OK, SKIPPED, Finding
from ..host import Host
from ..services.collect import collect_one, collect_snapshot
from ..services.context import Context
from ..services.declared import Policy, Service
from ..services.model import Observation, Snapshot
from ..services.run import VITAL, judge
from .declared import Options
from .model import Passage

STATE = "services.state"
Known = frozenset[tuple[str, str]]


def failing(findings: Sequence[Finding]) -> Known:
    """Given the findings of a service, return which vital ones are not ok: they are not demanded after a restart."""
    return frozenset((f.check, str(f.expected)) for f in findings if f.check in VITAL and f.status not in (OK, SKIPPED))


def observe(host: Host, service: Service) -> Snapshot:
    """Return what is there of one service at this moment. Whatever the inventory wants, it is to run again."""
    return collect_snapshot(host, [service._replace(state="started")], (), 0.0)


def glance(host: Host, service: Service) -> Observation:
    """Return what is there of one service without asking it: one that hangs would take its time to answer."""
    return collect_one(host, service._replace(probe=None, state="started"))


def fault_of(snapshot: Snapshot, known: Known) -> str:
    """Given a look at one service and what was failing before, return what is wrong with it now; empty: nothing.

    That it runs is always demanded.
    """
    (observed,) = snapshot.services
    context = Context(observed, snapshot, Policy())
    for finding in (f for found in judge([context]).findings.values() for f in found):
        down = finding.check == STATE and finding.status == CRITICAL
        demanded = down or (finding.check, str(finding.expected)) not in known
        if finding.check in VITAL and demanded and finding.status not in (OK, SKIPPED):
            return finding.message
    return ""


def pass_gate(host: Host, service: Service, known: Known, options: Options) -> Passage:
    """Wait until a service is well and still is after ``gate_settle``, at most ``gate_timeout`` seconds.

    Return how that went; a service that systemd has given up is not waited for.
    """
    begun = time.monotonic()
    while True:
        snapshot = observe(host, service)
        fault = fault_of(snapshot, known) or _unsettled(host, snapshot, known, options)
        seconds = time.monotonic() - begun
        (observed,) = snapshot.services
        if not fault or seconds >= options.gate_timeout or _hopeless(observed):
            return Passage(seconds, fault, observed.main.began if observed.main else None, host.now())
        host.pause(options.gate_delay)


def _unsettled(host: Host, snapshot: Snapshot, known: Known, options: Options) -> str:
    """Look again a little later: a service that dies after its first answer has not passed."""
    host.pause(options.gate_settle)
    (observed,) = snapshot.services
    later = observe(host, observed.service)
    (again,) = later.services
    if observed.main is not None and again.main is not None and observed.main.began != again.main.began:
        return f"{observed.name} ended right after its start and was started again"
    return fault_of(later, known)


def _hopeless(observed: Observation) -> bool:
    return observed.unit is not None and observed.unit.active == "failed"
