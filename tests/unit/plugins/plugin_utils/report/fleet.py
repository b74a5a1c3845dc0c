# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What many hosts register in a weekly run, for the tests and the benchmark of the report's size.

Kinds, numbers and lengths are those of a real host: 146 findings of 80 checks with 260 characters each, 110 numbers and
5 actions. One to seven of a host's findings (4 on average) are not ok, as they were on real hosts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

FINDINGS = 146  # of a host: 130 of its areas, 7 of the checkup, and how 8 procedures and the host itself ended
SERVICES = ("auth", "backtest", "data", "strategy", "trade")
# By area: its checks, each with the number of its findings; those that end with ~ do not apply.
CHECKS = {
    "backup": "age checksum clock last_run payload present readable retention space taken manifest pin foreign leftover"
    " permissions source:3 complete:3 attributes:2 left_out:2",
    "cleanup": "guard in_use reclaimable rule",
    "database": "filesystem freelist integrity locked maintenance reachable statistics window",
    "firewall": "backends blind default_deny:2 expected_closed:2 family_difference inactive:2 policy_expired"
    " rules_visible shadowed_rule unexpected_open view_drift any_source_internal",
    "resources": "cpu load memory steal iowait open_files oom_kills mounts connections disk_space:5 inodes:5"
    " clock~ swap~ not_looked_at~ deleted_open_files",
    "restart": "needed:3 dry_run orders_in_flight",
    "services": "bind:5 enabled:5 http:5 latency:5 open_files:5 port_owner:5 restarts:5 state:5 workers:5 memory~:5",
}
WORST = ("critical", "warning", "warning", "warning", "unknown")
NUMBERS = (
    ("disk_free", "ratio"),
    ("memory_used", "ratio"),
    ("open_files", ""),
    ("disk_size", "bytes"),
    ("age", "seconds"),
)


def fleet(count: int) -> dict[str, dict[str, Any]]:
    """Return what so many hosts registered, by host. No two hosts share an object, as no two answers do."""
    return {f"host-{number:04}": json.loads(json.dumps(_registered(number))) for number in range(count)}


def _registered(number: int) -> dict[str, Any]:
    bad = {(number * 31 + each * 23) % 130 for each in range(1 + number * 3 % 7)}
    areas: dict[str, Any] = {}
    for at, (area, check, subject, status) in enumerate(_kinds()):
        answer = areas.setdefault(area, {"changed": False, "findings": [], "metrics": [], "actions": []})
        answer["findings"].append(_finding(check, subject, WORST[at % len(WORST)] if at in bad else status, number))
    areas["resources"]["metrics"] = [_metric(at, number) for at in range(110)]
    ran = [_finding("checkup.ran", area, "ok", number) for area in areas]
    planned = {"action": "restart", "state": "done", "reason": "its files were changed after it was started"}
    actions = [{**planned, "subject": service, "details": {}} for service in SERVICES]
    checkup = {"changed": False, "findings": ran, "metrics": [], "actions": [], "areas": areas}
    return {
        "cryptobot_result_checkup": checkup,
        "cryptobot_result_restart": {"changed": True, "findings": [], "metrics": [], "actions": actions},
    }


def _kinds() -> Iterator[tuple[str, str, str, str]]:
    """Yield area, check, subject and status of each finding of a host that is well."""
    for area, checks in CHECKS.items():
        for word in checks.split():
            name, _colon, times = word.partition(":")
            for at in range(int(times or 1)):
                subject = SERVICES[at] if area in ("services", "restart") else f"/var/lib/cryptobot/{area}-{at}"
                yield area, f"{area}.{name.rstrip('~')}", subject, "skipped" if name.endswith("~") else "ok"


def _finding(check: str, subject: str, status: str, number: int) -> dict[str, Any]:
    word = check.partition(".")[2]
    said = {"check": check, "subject": subject, "status": status, "procedure": "D1.2"}
    if status in ("ok", "skipped"):
        days = number % 97 if len(check) % 3 else number * 31  # of three messages one is that of a single host
        message = f"{word} of {subject} is as it is declared, and was {days} days ago"
        return {**said, "message": message, "expected": None, "actual": number % 97, "remedy": ""}
    message = (
        f"{word} of {subject} is {number % 97} since 2026-11-22 02:00:00, and was better in 14 of the last 16 runs"
    )
    remedy = (
        f"See what runs (`systemctl status cryptobot-{number % 9}`), or correct `{word}` in the inventory of <host>."
    )
    return {
        **said,
        "message": message,
        "expected": f"at most {number % 7}",
        "actual": f"{number % 97}",
        "remedy": remedy,
    }


def _metric(at: int, number: int) -> dict[str, Any]:
    name, unit = NUMBERS[at % len(NUMBERS)]
    labels = {"mount": f"/var/lib/cryptobot/{at // len(NUMBERS)}"}
    value = (at + number) % 100 / 100 if unit == "ratio" else float(at * 1_000_003 + number)
    return {"name": f"cryptobot_resources_{name}_{unit or 'count'}", "value": value, "unit": unit, "labels": labels}
