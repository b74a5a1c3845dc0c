# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Folders that are built once, keyed by what they are made of, and published by rename."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from . import cgroup, overlay, paths, shell
from .lock import locked

BUILDS = ".builds"  # the cgroup that holds the builds; no fleet can have this name


def digest(ingredients: object) -> str:
    """Given anything that JSON can hold, return 16 hexadecimal digits that change with it."""
    text = json.dumps(ingredients, sort_keys=True)

    return hashlib.sha256(text.encode()).hexdigest()[:16]


def ensure(kind: str, release: str, rest: str, build: Callable[[Path], None]) -> Path:
    """Return the published folder KIND-RELEASE-REST; when there is none, have BUILD fill a new one and publish it.

    REST holds the key of the content. BUILD gets an empty folder. Builds of one release take turns,
    so two runs that want the same thing build it once: the second waits and finds it.
    """
    target = built() / f"{kind}-{release}-{rest}"
    if not target.is_dir():
        with release_lock(release):
            if not target.is_dir():
                _sweep_killed_builds(release)
                _build_and_publish(target, build)

    return target


def run(argv: Sequence[object], folder: Path) -> None:
    """Run a command of the build that fills the folder. Raise FleetError with the end of its log when it fails."""
    shell.run_logged(cgroup.entering(argv, *_cgroup(folder.name)), folder / "build.log")


def built() -> Path:
    """Return the folder of all that is published."""
    return paths.cache() / "built"


def release_lock(release: str) -> contextlib.AbstractContextManager[None]:
    """Return the lock of everything that is built for one release."""
    return locked(paths.cache() / "locks" / f"{release}.lock")


def _build_and_publish(target: Path, build: Callable[[Path], None]) -> None:
    name = target.name
    started = time.monotonic()
    partial = _partial(name)
    partial.mkdir(parents=True)
    print(f"fleet: building {name} ...", file=sys.stderr, flush=True)
    try:
        build(partial)
        _publish(partial, target)
    finally:
        _sweep(name)
    print(f"fleet: built {name} in {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)


def _publish(partial: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.sync()  # a rename must not reach the disk before the files that it publishes
    partial.rename(target)


def _sweep_killed_builds(release: str) -> None:
    """Sweep the unpublished builds of a release whose lock we hold: whoever was at them is gone."""
    for left in _partial("").glob(f"*-{release}-*"):
        _sweep(left.name)


def _sweep(name: str) -> None:
    """Remove all that there is of an unpublished build: processes, mounts and files."""
    cgroup.kill(*_cgroup(name))
    overlay.remove(_partial(name))
    cgroup.remove(*_cgroup(name))


def _cgroup(name: str) -> tuple[str, str, str]:
    """Return the cgroup of a build: with another cache, one of the same name may be under way."""
    return BUILDS, digest(str(paths.cache())), name


def _partial(name: str) -> Path:
    return paths.cache() / "partial" / name
