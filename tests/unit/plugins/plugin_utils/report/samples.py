# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Registered results as a play leaves them, for the tests of the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.document import parts_of_document

HOSTILE = "</td><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\x1b[2J"


def finding(check: str, status: str, subject: str = "thing", message: str = "said") -> dict[str, Any]:
    return {
        "check": check,
        "subject": subject,
        "status": status,
        "message": message,
        "expected": None,
        "actual": None,
        "remedy": "" if status == "ok" else "do this",
        "procedure": "D1.1",
    }


def result(*findings: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"changed": False, "status": "ok", "findings": list(findings), "metrics": [], "actions": [], **more}


def checkup(**results: dict[str, Any]) -> dict[str, Any]:
    return result(finding("checkup.ran", "ok"), areas=results)


RUN = {"id": "20261122T020000Z-5f3a91", "finished": 1795312800.0, "title": "weekly", "check_mode": False}


def document(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a reader of report.json gets."""
    return json.loads("".join(parts_of_document(report)))
