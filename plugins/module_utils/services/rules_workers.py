# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rule about workers behind a main process that lives whatever becomes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..finding import OK, UNKNOWN, WARNING, Finding
from ..processes.model import Process
from ..units import human_seconds
from .case import Case
from .observed import Turnover
from .workers import YOUNG, ages_of, shown


def judge_workers(case: Case) -> Iterator[Finding]:
    """The workers of a service live on; they do not die and get started again behind its main process."""
    observed, later = case.observed, case.observed.turnover
    if observed.main is None or observed.alive is not True:
        return
    workers, asked = shown(observed.main, observed.processes)
    expected = f"{asked} workers that stay" if asked > 1 else "workers that stay"
    if later and (ended := _ended(workers, later)):
        text = (
            f"{len(ended)} workers of {observed.name} ended within {later.seconds:.0f} s while its main process"
            f" {observed.main.pid} lives and starts them again: nobody else counts these restarts"
        )
        yield case.finding("workers", case.failing(), text + case.grace_note(), expected=expected, actual=len(ended))
    elif later and later.problem:
        yield case.finding("workers", UNKNOWN, later.problem, expected=expected, remedy=case.look_as_admin())
    elif later and len(later.last) < asked > 1:
        text = f"{observed.name} is started for {asked} workers and has {len(later.last)}{case.grace_note()}"
        status = WARNING if later.last else case.failing()
        yield case.finding("workers", status, text, expected=expected, actual=len(later.last))
    elif workers:
        yield _judge_ages(case, expected)


def _ended(workers: Sequence[Process], later: Turnover) -> set[tuple[int, float]]:
    """Given the workers of the first look and what was seen later, return those that are gone, as (pid, began)."""
    first = {(worker.pid, worker.began) for worker in workers}
    return set() if later.problem else (first | later.seen) - later.last


def _judge_ages(case: Case, expected: str) -> Finding:
    observed = case.observed
    workers = shown(observed.main, observed.processes).workers if observed.main else ()
    ages = ages_of(case.snapshot, workers)
    if not ages or case.age is None:
        text = f"nothing tells how long the {len(workers)} workers of {observed.name} have been running"
        return case.finding("workers", UNKNOWN, text, expected=expected)
    oldest = max(ages)
    told = f"the youngest of its {len(workers)} workers has been running for {human_seconds(min(ages))}"
    if oldest < YOUNG <= case.age and not case.in_grace:
        text = f"{observed.name} has been running for {human_seconds(case.age)}, {told}, the oldest for no longer"
        return case.finding("workers", WARNING, text, expected=expected, actual=round(oldest))
    return case.finding("workers", OK, f"{observed.name}: {told}", expected=expected, actual=len(workers))
