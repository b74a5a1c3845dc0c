# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as one self-contained HTML page.

Every value comes from a host and may be hostile: Jinja2 escapes all of it, and the page's own Content-Security-Policy
allows no script but the one of the template, named by its hash, so that a hole in the escaping would still not run.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ansible_collections.cryptobot.maintenance.plugins.module_utils.seam import cut

from .aggregate import is_bad
from .scope import in_words

HERE = Path(__file__).parent
TEMPLATE, SCRIPT, STYLE = "report.html.j2", "report.js", "report.css"
# What a page holds at most of each; all of it is in report.json.
MAX_ROWS, MAX_CARDS, MAX_NAMES, MAX_ACTIONS, MAX_TEXT = 1_000, 60, 2_000, 500, 1_500
MAX_NUMBERS = 40  # of one host


def render_html(report: Mapping[str, Any]) -> str:
    """Given a report, return the page."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(when=_when, plain=_plain, percent=_percent, words=_words, short=_short)
    script, style = (HERE / SCRIPT).read_text("utf-8"), (HERE / STYLE).read_text("utf-8")
    return environment.get_template(TEMPLATE).render(
        report=report,
        view=_view(report),
        script=script,
        style=style,
        script_hash=_hash(script),
        style_hash=_hash(style),
    )


def _view(report: Mapping[str, Any]) -> dict[str, Any]:
    """Given a report, return what the page shows of it: what is not ok, and of the rest how much there is."""
    bad = [finding for finding in report["findings"] if is_bad(finding)]
    fine = [finding for finding in report["findings"] if not is_bad(finding)]
    follow = [finding for finding in fine if finding.get("consequence_of")]
    acted = [{"host": host["name"], **action} for host in report["hosts"] for action in host["actions"]]
    cards = [host for host in report["hosts"] if is_bad(host) or host["failed"]][:MAX_CARDS]
    if len(report["hosts"]) <= MAX_CARDS:
        cards = report["hosts"]
    others = report["hosts"][len(cards) :]
    return {
        "scope": in_words(report["run"]["scope"]),
        "rows": [{**finding, "follow": list(_following(finding, follow))} for finding in bad[:MAX_ROWS]],
        "rows_left": len(bad) - len(bad[:MAX_ROWS]),
        "fine": list(_by_check(fine)),
        "cards": cards,
        "others": others[:MAX_NAMES],
        "others_left": len(others) - len(others[:MAX_NAMES]),
        "actions": acted[:MAX_ACTIONS],
        "actions_left": len(acted) - len(acted[:MAX_ACTIONS]),
        "numbers": {host["name"]: _numbers(host) for host in cards},
    }


def _following(root: Mapping[str, Any], others: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield what follows from a finding, which is folded under it."""
    name = f"{root['check']} {root['subject']}"
    return (each for each in others if each.get("consequence_of") == name and each["host"] == root["host"])


def _by_check(findings: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield each check of which something is well, with how many findings and hosts that are."""
    counts = Counter((finding["check"], finding["status"]) for finding in findings)
    hosts: dict[tuple[str, str], set[str]] = {}
    for finding in findings:
        hosts.setdefault((finding["check"], finding["status"]), set()).add(finding["host"])
    for check, status in sorted(counts):
        yield {"check": check, "status": status, "count": counts[check, status], "hosts": len(hosts[check, status])}


def _numbers(host: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [metric for metric in host["metrics"] if metric.get("unit") == "ratio"][:MAX_NUMBERS]


def _short(text: Any) -> str:
    return cut(str(text), MAX_TEXT)


def _hash(text: str) -> str:
    """Return what Content-Security-Policy calls a hash-source (https://www.w3.org/TR/CSP3/#grammardef-hash-source)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def _plain(value: Any) -> str:
    return _short(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def _percent(value: float) -> float:
    """Return a ratio as whole percent within 0 to 100, which is all that a bar can show."""
    return round(min(max(value, 0.0), 1.0) * 100)


def _words(metric: str) -> str:
    """Given the name of a metric, return it for people: ``cryptobot_resources_disk_free_ratio`` is disk free."""
    return " ".join(metric.split("_")[2:-1]) or metric
