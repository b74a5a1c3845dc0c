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
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ansible_collections.cryptobot.maintenance.plugins.module_utils.seam import cut

from .view import view_of

HERE = Path(__file__).parent
TEMPLATE, PARTS, SCRIPT, STYLE = "report.html.j2", "parts.html.j2", "report.js", "report.css"
CHECKS = "checks.json"  # made by `make docs`: what each check looks at, why, and the line that declares it
MAX_TEXT = 1_500  # characters of one text; all of it is in report.json


def render_html(report: Mapping[str, Any]) -> str:
    """Given a report, return the page."""
    return "".join(parts_of_page(report))


def parts_of_page(report: Mapping[str, Any]) -> Iterator[str]:
    """Given a report, yield the page in parts."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(when=_when, plain=_plain, percent=_percent, words=_words, short=_short)
    known = json.loads((HERE / CHECKS).read_text("utf-8"))
    environment.globals.update(checks=known["checks"])
    script, style = (HERE / SCRIPT).read_text("utf-8"), (HERE / STYLE).read_text("utf-8")
    yield from environment.get_template(TEMPLATE).generate(
        report=report,
        view=view_of(report, environment.get_template(PARTS).module, known["checks"]),
        collection=known["collection"],
        script=script,
        style=style,
        script_hash=_hash(script),
        style_hash=_hash(style),
    )


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
