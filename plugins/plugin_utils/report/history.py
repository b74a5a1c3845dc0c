# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where reports are kept: ``<dir>/<run id>/``, with ``<dir>/latest`` switched to the newest in one step.

Only whole, real runs stand for the system. What was planned only is kept in ``<dir>/check/``, what looked at a part in
``<dir>/partial/``, in the same form. Two runs may end at the same moment: one lock orders them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.cryptobot.maintenance.plugins.module_utils.publish import (
    PARTIAL as HALF,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.publish import (
    publish_file,
    publish_folder,
    publish_link,
)

from .document import parts_of_document
from .findings import uncollected
from .html import parts_of_page
from .prometheus import parts_of_textfile
from .pruning import FILES, LATEST, Run, is_dead, prune
from .scope import CHECK, PARTIAL, WHOLE

LOCK, ONCE = ".lock", ".once"
PLACES = {WHOLE: "", PARTIAL: "partial", CHECK: "check"}
KEEP_SIZE = 2 * 1024**3  # bytes: about 30 runs of 1,000 hosts, or all that anybody keeps of 20
AHEAD = 600  # seconds that another controller's clock may be ahead; what lies further ahead is an error of a clock


def render_files(report: Mapping[str, Any]) -> dict[str, Iterable[bytes]]:
    """Given a report, return its files by name, each in parts that are made when they are asked for."""
    renderers = (parts_of_document, parts_of_page, parts_of_textfile)
    return {name: map(str.encode, render(report)) for name, render in zip(FILES, renderers)}


@uncollected
def publish_report(report: Mapping[str, Any], folder: Path, keep: int, most: int = KEEP_SIZE) -> Path:
    """Given a report, put it in the place of its scope, switch ``latest`` there, drop what is older than ``keep`` runs
    there, and the oldest of all while there are more than ``most`` bytes of them.

    Return the path of the run's own folder. Nothing of a report is ever readable by other accounts.
    """
    place = folder / PLACES[report["run"]["scope"]["kind"]]
    final = place / report["run"]["id"]
    half = place / f"{final.name}{HALF}"
    half.mkdir(parents=True, mode=0o700)
    for name, content in render_files(report).items():
        publish_file(half / name, content)
    with in_turn(folder):
        publish_folder(half, final)
        if _is_newest(place, final.name, report["run"]["finished"]):
            publish_link(place / LATEST, final.name)
        prune([folder / name for name in PLACES.values()], Run(final.name, place), keep, most)
    return final


@contextlib.contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder of reports for a block. The kernel forgets it with the process that held it."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def first_of(folder: Path, run: str) -> bool:
    """Return True to the first who asks in a run, False to all others: ``run`` is the same for all, and no other's."""
    marks = folder / ONCE
    marks.mkdir(parents=True, exist_ok=True, mode=0o700)
    for mark in marks.iterdir():
        if is_dead(mark):
            mark.unlink(missing_ok=True)
    try:
        os.close(os.open(marks / run, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    return True


def publish_textfile(report: Mapping[str, Any], folder: Path) -> None:
    """Put the metrics of a whole run where a node exporter's collector, another account, can read them.

    Each playbook has a file of its own, so that none takes another's place.
    """
    if report["run"]["scope"]["kind"] == WHOLE:
        name = re.sub(r"[^A-Za-z0-9_-]", "_", report["run"]["title"])
        publish_file(folder / f"cryptobot_{name}.prom", map(str.encode, parts_of_textfile(report)), mode=0o644)


def _is_newest(place: Path, name: str, finished: float) -> bool:
    """Return whether ``latest`` may name this run: no later one is there, but for one that a wrong clock dated."""
    try:
        latest = os.readlink(place / LATEST)
    except OSError:
        return True
    limit = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(finished + AHEAD))
    return latest <= name or latest[: len(limit)] > limit or not (place / latest).is_dir()
