# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as lines for a terminal: short, worst first, without control characters of hostile text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import (
    CRITICAL,
    OK,
    SKIPPED,
    UNKNOWN,
    WARNING,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.printable import printable

from .aggregate import counted, is_bad
from .scope import in_words

COLOURS = {CRITICAL: "red", UNKNOWN: "purple", WARNING: "yellow", OK: "green", SKIPPED: "cyan"}
MAX_FINDINGS = 20
MAX_HOSTS = 50

Line = tuple[str, str]  # text, colour


def summary_lines(report: Mapping[str, Any], place: str) -> Iterator[Line]:
    """Given a report and where it was put, yield (text, colour) lines: hosts, what is not ok, the report's path."""
    run = report["run"]
    yield f"Maintenance run {run['id']}: {run['status'].upper()} ({counted(run['counts'])})", COLOURS[run["status"]]
    if in_words(run["scope"]):
        yield f"  {printable(in_words(run['scope']))}", "normal"
    for host in report["hosts"][:MAX_HOSTS]:
        failed = " (failed)" if host["failed"] else ""
        yield f"  {printable(host['name'])}: {host['status']}{failed}{_deeds(host)}", COLOURS[host["status"]]
    yield from _other_hosts(report["hosts"][MAX_HOSTS:])
    yield from _bad(report["findings"])
    yield f"Report: {place}", "normal"


def _other_hosts(hosts: list[Mapping[str, Any]]) -> Iterator[Line]:
    counts = {status: sum(host["status"] == status for host in hosts) for status in COLOURS}
    if hosts:
        yield f"  ... and {len(hosts)} more hosts: {counted(counts)}", "normal"


def _deeds(host: Mapping[str, Any]) -> str:
    states = [action["state"] for action in host["actions"]]
    told = [f"{states.count(state)} {state}" for state in ("done", "planned", "failed") if state in states]
    return f" (actions: {', '.join(told)})" if told else ""


def _bad(findings: list[Mapping[str, Any]]) -> Iterator[Line]:
    bad = [finding for finding in findings if is_bad(finding)]
    for finding in bad[:MAX_FINDINGS]:
        where = f"{finding['host']} {finding['check']} [{finding['subject']}]"
        yield (
            f"  {finding['status']:>8}  {printable(where)}: {printable(finding['message'])}",
            COLOURS[finding["status"]],
        )
    if len(bad) > MAX_FINDINGS:
        yield f"  ... and {len(bad) - MAX_FINDINGS} more in the report", "normal"
