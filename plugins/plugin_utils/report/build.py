# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the registered results of all hosts to one report: pure, no clock, no files.

The shape of the report is documented in docs/report.md and as a JSON schema in docs/report.schema.json.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Optional

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import (
    OK,
    SKIPPED,
    UNKNOWN,
    worst,
)

from .aggregate import rank, totals, verdict
from .answers import LEFT_OUT, Answer, answers_of, ended, findings_of, reached, standing
from .findings import FINE, Findings, Said, in_order, said_by_us, uncollected
from .scope import Call, scope_of

SCHEMA = 2


@uncollected
def build_report(
    results: Mapping[str, Mapping[str, Any]],
    run: Mapping[str, Any],
    fail_on: str = "critical",
    call: Optional[Call] = None,
) -> dict[str, Any]:
    """Given each host's registered variables, what is known of the run and how it was called, return the whole report.

    ``results`` maps host to a mapping that holds its ``cryptobot_result_*``; other variables are left alone. A host
    without any is reported as not reached.
    """
    built = [build_host(name, results[name], fail_on) for name in sorted(results)]
    findings = _of_all([host.pop("findings") for host in built])
    hosts = sorted(built, key=rank)
    called = call or Call(run["title"], bool(run["check_mode"]))
    mistaken = [name for name, variables in results.items() if variables.get(LEFT_OUT, {}).get("left_out", False)]
    scope = scope_of(called._replace(targeted=list(results)), hosts, mistaken)
    whole = {**totals(findings.counts()), "fail_on": fail_on, "failed": _has_failed(hosts, fail_on), "scope": scope}
    return {"schema": SCHEMA, "run": {**run, **whole}, "hosts": hosts, "findings": findings}


def _of_all(hosts: Iterable[Findings]) -> Findings:
    """Given the findings of each host, return them as one, the worst first, and of one status in the order of hosts."""
    hosts = list(hosts)
    bad = sorted((finding for each in hosts for finding in each.bad), key=rank)
    return Findings(bad, [said for status in FINE for each in hosts for said in each.fine if said.status == status])


def _has_failed(hosts: list[dict[str, Any]], fail_on: str) -> bool:
    """A run of no host at all is no news either."""
    return any(host["failed"] for host in hosts) or (not hosts and fail_on != "never")


def build_host(name: str, variables: Mapping[str, Any], fail_on: str) -> dict[str, Any]:
    """Given a host and its registered variables, return its part of the report, its findings worst first."""
    answers = answers_of(variables)
    told = [said for answer in standing(answers) for said in findings_of(name, answer)]
    ran = [each for each in answers if each.looked or not each.said.get("skipped", False)]
    lost = reached(answers)
    ends = _once([said_by_us(name, each.area, ended(each)) for each in ran])
    findings = in_order([*_rooted(told), *ends, said_by_us(name, "run", lost)])
    return {
        "name": name,
        **totals(findings.counts()),
        **verdict(findings.bad, fail_on),
        "reached": lost.status == OK,
        "changed": any(answer.said.get("changed", False) for answer in answers),
        "procedures": _procedures(answers, findings),
        "actions": [{"area": each.area, **action} for each in answers for action in each.said.get("actions", [])],
        "metrics": _metrics(answers),
        "findings": findings,
    }


def _rooted(told: list[Said]) -> list[Said]:
    """Given findings, return them with those unknown that follow from one which is not there as bad."""
    roots = [said.about for said in told if said.status not in FINE]
    return [
        said._replace(status=UNKNOWN)
        if said.status == SKIPPED and said.finding.get("consequence_of") not in (None, "", *roots)
        else said
        for said in told
    ]


def _once(ends: list[Said]) -> list[Said]:
    """Given how tasks ended, return them without the second word on an area that came to its end twice."""
    plain = {said.area: said for said in ends if said.status == OK}
    bad = {said.area for said in ends if said.status != OK}
    return [*(said for said in ends if said.status != OK), *(plain[area] for area in plain if area not in bad)]


def _metrics(answers: list[Answer]) -> list[dict[str, Any]]:
    """Return the numbers of all answers; of two with one name and the same labels the later is the newer."""
    measured: dict[Any, dict[str, Any]] = {}
    for metric in (metric for answer in answers for metric in answer.said.get("metrics", [])):
        measured[metric["name"], tuple(sorted(metric.get("labels", {}).items()))] = metric
    return list(measured.values())


def _procedures(answers: list[Answer], findings: Findings) -> list[dict[str, Any]]:
    """Return each area's outcome once, in the order in which they came: what its findings that stand amount to."""
    said = {*((each.area, each.status) for each in findings.fine), *((f["area"], f["status"]) for f in findings.bad)}
    areas = dict.fromkeys(answer.area for answer in answers)
    return [_procedure(area, answers, [status for of, status in said if of == area]) for area in areas]


def _procedure(area: str, answers: list[Answer], statuses: list[str]) -> dict[str, Any]:
    own = [answer for answer in answers if answer.area == area]
    failed = [answer for answer in own if answer.failed]
    return {
        "area": area,
        "status": worst(statuses or [SKIPPED]),  # all that ran have a finding: how they ended
        "changed": any(bool(answer.said.get("changed", False)) for answer in own),
        "failed": bool(failed),
        "message": str(failed[-1].said.get("msg", "")) if failed else "",
    }


def must_fail(report: Mapping[str, Any]) -> bool:
    """Return whether the run has to end non-zero."""
    return bool(report["run"]["failed"])
