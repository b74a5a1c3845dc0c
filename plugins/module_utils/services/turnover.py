# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A second look at the workers of services that may lose them again and again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..errors import CoreError
from ..host import Host
from ..processes.collect import process_table
from .observed import Observed, Snapshot
from .workers import SPAN, looks_unsteady, turnover_of

LOOKS = {"linux": 10}  # how often within SPAN; a list of all processes costs the other systems seconds


def with_turnover(host: Host, snapshot: Snapshot) -> tuple[Observed, ...]:
    """Given what was seen, return the services; those whose workers may come and go have been looked at again."""
    again = [seen for seen in snapshot.services if looks_unsteady(snapshot, seen)]
    if not again:
        return snapshot.services
    try:
        later = [process_table(host) for _look in _pauses(host)]
        problem = ""
    except CoreError as error:
        later, problem = [], f"its workers could not be looked at again: {error}"
    found = {seen.name: turnover_of(seen.main, later, problem) for seen in again if seen.main is not None}
    return tuple(replace(seen, turnover=found.get(seen.name)) for seen in snapshot.services)


def _pauses(host: Host) -> Iterable[None]:
    count = LOOKS.get(host.platform, 1)
    for _each in range(count):
        host.pause(SPAN / count)
        yield
