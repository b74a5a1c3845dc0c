# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where reports are kept: ``<dir>/<run id>/``, with ``<dir>/latest`` switched to the newest in one step."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.cryptobot.maintenance.plugins.module_utils.publish import (
    PARTIAL,
    publish_file,
    publish_folder,
    publish_link,
)

from .html import render_html
from .prometheus import render_prometheus

LATEST = "latest"
_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")


def render_files(report: Mapping[str, Any]) -> dict[str, bytes]:
    """Given a report, return its files by name."""
    return {
        "report.json": json.dumps(report, indent=1, ensure_ascii=False, default=str).encode(),
        "report.html": render_html(report).encode(),
        "cryptobot.prom": render_prometheus(report).encode(),
    }


def publish_report(report: Mapping[str, Any], folder: Path, keep: int) -> Path:
    """Given a report, put it under ``folder``, switch ``latest`` to it, drop what is older than the newest ``keep``.

    Return the path of the run's own folder. Nothing of a report is ever readable by other accounts.
    """
    final = folder / report["run"]["id"]
    partial = folder / f"{report['run']['id']}{PARTIAL}"
    partial.mkdir(parents=True, mode=0o700)
    for name, content in render_files(report).items():
        publish_file(partial / name, content)
    publish_folder(partial, final)
    publish_link(folder / LATEST, final.name)
    _forget(folder, keep)
    return final


def publish_textfile(report: Mapping[str, Any], folder: Path) -> None:
    """Put the metrics where a node exporter's textfile collector, another account, can read them."""
    publish_file(folder / "cryptobot.prom", render_prometheus(report).encode(), mode=0o644)


def _forget(folder: Path, keep: int) -> None:
    """Remove the oldest runs, and what a killed report left; never the one that ``latest`` names."""
    latest = os.readlink(folder / LATEST)
    runs = sorted(path.name for path in folder.iterdir() if _RUN_ID.fullmatch(path.name) and path.name != latest)
    for name in runs[: max(0, len(runs) + 1 - keep)]:
        shutil.rmtree(folder / name)
    for path in folder.glob(f"*{PARTIAL}"):
        if _RUN_ID.fullmatch(path.name[: -len(PARTIAL)]) and path.name[: -len(PARTIAL)] < latest:
            shutil.rmtree(path)
