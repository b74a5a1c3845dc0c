# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the registered results of all hosts to one report: pure, no clock, no files.

The shape of the report is documented in docs/report.md and as a JSON schema in docs/report.schema.json.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import (
    CRITICAL,
    OK,
    SKIPPED,
    STATUSES,
    UNKNOWN,
    Finding,
    worst,
)

from .checks import CHECKS

PREFIX = "cryptobot_result_"
SCHEMA = 1


def build_report(results: Mapping[str, Mapping[str, Any]], run: Mapping[str, Any]) -> dict[str, Any]:
    """Given each host's registered variables and what is known of the run, return the whole report.

    ``results`` maps host to a mapping that holds its ``cryptobot_result_*``; other variables are left alone. A host
    without any is reported as not reached.
    """
    hosts = [_host(name, variables) for name, variables in results.items()]
    hosts.sort(key=lambda host: (-STATUSES.index(host["status"]), host["name"]))
    findings = [finding for host in hosts for finding in host.pop("findings")]
    findings.sort(key=lambda f: (-STATUSES.index(f["status"]), f["host"], f["check"], f["subject"]))
    status = worst(host["status"] for host in hosts)
    return {
        "schema": SCHEMA,
        "run": {**run, "status": status, "counts": _counts(findings)},
        "hosts": hosts,
        "findings": findings,
    }


def _counts(findings: list[dict[str, Any]]) -> dict[str, int]:
    counted = Counter(finding["status"] for finding in findings)
    return {status: counted.get(status, 0) for status in reversed(STATUSES)}


def _host(name: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    answers = list(_answers(variables))
    findings = _findings(answers)
    # A finding of a later, more particular look replaces that of the checkup that came before it.
    unique = {(finding["check"], finding["subject"]): finding for finding in findings}
    kept = [{"host": name, **finding} for finding in unique.values()]
    return {
        "name": name,
        "status": worst(finding["status"] for finding in kept),
        "counts": _counts(kept),
        "changed": any(answer.get("changed", False) for _noun, answer in answers),
        "procedures": _procedures(answers),
        "actions": [{"noun": noun, **action} for noun, answer in answers for action in answer.get("actions", [])],
        "metrics": [metric for _noun, answer in answers for metric in answer.get("metrics", [])],
        "findings": kept,
    }


def _answers(variables: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (noun, result) for each registered result, the nouns of a checkup and the turns of a loop one by one."""
    # the checkup first: what the other procedures say of the same subject was seen later
    names = sorted(
        (name for name in variables if name.startswith(PREFIX)), key=lambda name: ("checkup" not in name, name)
    )
    for name in names:
        noun, answer = name[len(PREFIX) :], variables[name]
        if not isinstance(answer, Mapping):
            continue
        yield noun, answer
        # what a checkup planned is no action of the run: the acting module says itself what it did
        yield from ((look, {**seen, "actions": []}) for look, seen in answer.get("nouns", {}).items())
        yield from ((noun, turn) for turn in answer.get("results", []) if isinstance(turn, Mapping))


def _findings(answers: list[tuple[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    found = [dict(finding) for _noun, answer in answers for finding in answer.get("findings", [])]
    ended = [_ended(noun, answer) for noun, answer in answers if "findings" in answer or not _is_skipped(answer)]
    return [*found, _reached(answers).as_dict(), *(finding.as_dict() for finding in ended)]


def _is_skipped(answer: Mapping[str, Any]) -> bool:
    return bool(answer.get("skipped", False))


def _reached(answers: list[tuple[str, Mapping[str, Any]]]) -> Finding:
    check = CHECKS["run.reached"]
    lost = [(noun, answer) for noun, answer in answers if answer.get("unreachable", False)]
    if lost:
        noun, answer = lost[0]
        return check.finding(
            UNKNOWN, "host", f"could not be reached for {noun}: {answer.get('msg', 'no reason given')}"
        )
    if not answers:
        return check.finding(UNKNOWN, "host", "returned no result at all", expected="a result", actual="none")
    return check.finding(OK, "host", "was reached from the first task to the last")


def _ended(noun: str, answer: Mapping[str, Any]) -> Finding:
    """A failed task that has findings was told to act and could not; one without could not even look."""
    check = CHECKS["run.procedure"]
    if answer.get("unreachable", False):
        return check.finding(UNKNOWN, noun, "did not run to its end because the host was lost")
    if answer.get("failed", False):
        status = CRITICAL if answer.get("findings") else UNKNOWN
        return check.finding(status, noun, str(answer.get("msg", "failed without a message")), expected="an end")
    return check.finding(OK, noun, "came to its end")


def _procedures(answers: list[tuple[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return each noun's outcome once, the worst of its look and its deed, in the order in which they came."""
    merged: dict[str, dict[str, Any]] = {}
    for noun, answer in answers:
        new = _procedure(noun, answer)
        old = merged.get(noun, new)
        merged[noun] = {
            "noun": noun,
            "status": worst((old["status"], new["status"])),
            "changed": old["changed"] or new["changed"],
            "failed": old["failed"] or new["failed"],
            "message": new["message"] or old["message"],
        }
    return list(merged.values())


def _procedure(noun: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    failed = bool(answer.get("failed", False) or answer.get("unreachable", False))
    status = answer.get("status") or (SKIPPED if _is_skipped(answer) else UNKNOWN)
    return {
        "noun": noun,
        "status": status if status in STATUSES else UNKNOWN,
        "changed": bool(answer.get("changed", False)),
        "failed": failed,
        "message": str(answer.get("msg", "")) if failed else "",
    }


def must_fail(report: Mapping[str, Any], fail_on: str) -> bool:
    """Return whether the run has to end non-zero: a finding at or above ``fail_on``, or a look that did not happen.

    ``fail_on`` is a status or ``never``. A host that was lost or a procedure that failed counts at any other value:
    the one thing worse than bad news is no news.
    """
    if fail_on == "never":
        return False
    limit = STATUSES.index(fail_on)
    return any(
        STATUSES.index(finding["status"]) >= limit or (finding["check"] in CHECKS and finding["status"] != OK)
        for finding in report["findings"]
    )
