# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the registered results of all hosts to one report: pure, no clock, no files.

The shape of the report is documented in docs/report.md and as a JSON schema in docs/report.schema.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import OK, SKIPPED, UNKNOWN, worst

from .aggregate import is_bad, rank, tally, verdict
from .answers import LEFT_OUT, Answer, answers_of, ended, findings_of, reached, standing
from .remedies import fitted
from .scope import Call, scope_of

SCHEMA = 1


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
    hosts = [build_host(name, variables, fail_on) for name, variables in results.items()]
    hosts.sort(key=lambda host: (rank(host), host["name"]))
    called = call or Call(run["title"], bool(run["check_mode"]))
    mistaken = [name for name, variables in results.items() if variables.get(LEFT_OUT, {}).get("left_out", False)]
    scope = scope_of(called._replace(targeted=list(results)), hosts, mistaken)
    findings = [finding for host in hosts for finding in host.pop("findings")]
    findings.sort(key=lambda finding: (rank(finding), finding["host"]))
    whole = {**tally(findings), "fail_on": fail_on, "failed": _has_failed(hosts, fail_on), "scope": scope}
    return {"schema": SCHEMA, "run": {**run, **whole}, "hosts": hosts, "findings": findings}


def _has_failed(hosts: list[dict[str, Any]], fail_on: str) -> bool:
    """A run of no host at all is no news either."""
    return any(host["failed"] for host in hosts) or (not hosts and fail_on != "never")


def build_host(name: str, variables: Mapping[str, Any], fail_on: str) -> dict[str, Any]:
    """Given a host and its registered variables, return its part of the report, its findings worst first."""
    answers = answers_of(variables)
    stand = standing(answers)
    said = [finding for answer in stand for finding in findings_of(answer)]
    ends = [ended(answer) for answer in answers if answer.looked or not answer.said.get("skipped", False)]
    lost = reached(answers)
    findings = [{"host": name, **fitted(finding, name)} for finding in (*_rooted(said), *_once(ends), lost)]
    findings.sort(key=lambda finding: (rank(finding), finding["check"], finding["subject"]))
    return {
        "name": name,
        **tally(findings),
        **verdict(findings, fail_on),
        "reached": lost["status"] == OK,
        "changed": any(answer.said.get("changed", False) for answer in answers),
        "procedures": _procedures(answers, findings),
        "actions": [{"noun": each.noun, **action} for each in answers for action in each.said.get("actions", [])],
        "metrics": _metrics(answers),
        "findings": findings,
    }


def _rooted(findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Given findings, return them with those unknown that follow from one which is not there as bad."""
    roots = {f"{finding['check']} {finding['subject']}" for finding in findings if is_bad(finding)}
    orphans = [f.get("consequence_of") not in (None, "", *roots) and f["status"] == SKIPPED for f in findings]
    return [{**f, "status": UNKNOWN} if is_orphan else f for f, is_orphan in zip(findings, orphans)]


def _once(ends: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Given how tasks ended, return them without the second word on an area that came to its end twice."""
    plain = {finding["subject"]: finding for finding in ends if finding["status"] == OK}
    bad = [finding for finding in ends if finding["status"] != OK]
    return [*bad, *(finding for subject, finding in plain.items() if subject not in {each["subject"] for each in bad})]


def _metrics(answers: list[Answer]) -> list[dict[str, Any]]:
    """Return the numbers of all answers; of two with one name and the same labels the later is the newer."""
    measured: dict[Any, dict[str, Any]] = {}
    for metric in (metric for answer in answers for metric in answer.said.get("metrics", [])):
        measured[metric["name"], tuple(sorted(metric.get("labels", {}).items()))] = metric
    return list(measured.values())


def _procedures(answers: list[Answer], findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each area's outcome once, in the order in which they came: what its findings that stand amount to."""
    return [_procedure(noun, answers, findings) for noun in dict.fromkeys(answer.noun for answer in answers)]


def _procedure(noun: str, answers: list[Answer], findings: list[dict[str, Any]]) -> dict[str, Any]:
    own = [answer for answer in answers if answer.noun == noun]
    statuses = [finding["status"] for finding in findings if finding["noun"] == noun]
    failed = [answer for answer in own if answer.failed]
    return {
        "noun": noun,
        "status": worst(statuses or [SKIPPED]),  # all that ran have a finding: how they ended
        "changed": any(bool(answer.said.get("changed", False)) for answer in own),
        "failed": bool(failed),
        "message": str(failed[-1].said.get("msg", "")) if failed else "",
    }


def must_fail(report: Mapping[str, Any]) -> bool:
    """Return whether the run has to end non-zero."""
    return bool(report["run"]["failed"])
