# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read on which platform: one gatherer each, chosen once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from ..host import Host
from .facts import Facts
from .linux import gather as linux
from .linux.parse import parse


@dataclass(frozen=True)
class Gatherer:
    """How the facts of a platform are read, and the paths that processes work in."""

    facts: Callable[[Host], Facts]
    places: Callable[[Host, Collection[int]], dict[int, tuple[str, ...]]]


def _linux_facts(host: Host) -> Facts:
    return parse(linux.gather(host))


GATHERERS = {"linux": Gatherer(_linux_facts, linux.gather_places)}
