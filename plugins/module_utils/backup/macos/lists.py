# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking for access control lists by ``ls -lde``, many paths at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...errors import CoreError
from ...host import Host
from .parse import parse_lists

AT_A_TIME = 500
WORDS = 100_000  # bytes of one command line; macOS allows 1 MiB with the environment


def lists(paths: Sequence[str], host: Host) -> tuple[dict[str, tuple[str, ...]], str]:
    """Given paths, return the list of each, and why some are missing or an empty text."""
    found: dict[str, tuple[str, ...]] = {}
    why = ""
    for some in _portions([path for path in paths if path.isprintable()]):
        try:
            found.update(_ask(some, host))
        except CoreError as error:
            why = why or str(error)
    if not why and any(not path.isprintable() for path in paths):
        why = "ls cannot be asked for names that do not fit into a line"
    return found, why


def _ask(paths: Sequence[str], host: Host) -> Mapping[str, tuple[str, ...]]:
    # ls ends with 1 where one of the files is gone meanwhile, and lists the others
    return parse_lists(host.run(["ls", "-lde", *paths], expect=(0, 1)).stdout, frozenset(paths))


def _portions(paths: Sequence[str]) -> Iterator[list[str]]:
    portion: list[str] = []
    size = 0
    for path in paths:
        if portion and (len(portion) == AT_A_TIME or size + len(path.encode()) > WORDS):
            yield portion
            portion, size = [], 0
        portion.append(path)
        size += len(path.encode()) + 1
    if portion:
        yield portion
