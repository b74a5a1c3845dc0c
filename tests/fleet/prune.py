# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Remove from the cache what today's tables of releases and layers no longer lead to."""

from __future__ import annotations

from collections.abc import Sequence

from . import artifact, base, layers, overlay


def prune() -> list[str]:
    """Remove every published folder that is neither current nor under a mounted host; return their names."""
    folder = artifact.built()
    removed = []
    for name in outdated(sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []):
        with artifact.release_lock(name.split("-")[1]):
            if f"{folder / name}/" not in overlay.MOUNTINFO.read_text():
                overlay.remove(folder / name)
                removed.append(name)

    return removed


def outdated(names: Sequence[str]) -> list[str]:
    """Given the names of published folders, return those that no release and chain of layers has today."""
    return [name for name in names if not _is_current(*name.split("-", 2))]


def _is_current(kind: str, release: str, rest: str) -> bool:
    if release not in base.RELEASES:
        return False
    if kind == "base":
        return rest == base.key(release)
    chain = rest.rpartition("-")[0].split("+")

    return set(chain) <= set(layers.LAYERS) and rest == layers.rest_of_name(release, chain)
