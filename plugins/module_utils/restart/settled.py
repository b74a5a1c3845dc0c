# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What restarted services use once they are settled: right after its start a service has not read anything yet, and
whatever it used before would seem to be given back.
"""

from __future__ import annotations

from ..errors import CoreError
from ..host import Host
from .gate import observe
from .model import Passage, Progress, Situation


def measure_settled(host: Host, situation: Situation, progress: Progress) -> None:
    """Wait until the grace of each restarted service is over, at most once for all, and note its memory then."""
    well = {name: passage for name, passage in progress.passages.items() if not passage.fault}
    waits = [_left(host, situation, name, passage) for name, passage in well.items()]
    try:
        host.pause(max(waits, default=0.0))
    except CoreError as error:
        progress.young.update(dict.fromkeys(well, str(error)))
        return
    for name, passage in well.items():
        _measure(host, situation, progress, name, passage)


def _left(host: Host, situation: Situation, name: str, passage: Passage) -> float:
    """Return for how many seconds a service is still within the grace of its start."""
    begun = passage.at - passage.seconds
    return max(0.0, situation.service(name).start_grace - (host.now() - begun))


def _measure(host: Host, situation: Situation, progress: Progress, name: str, passage: Passage) -> None:
    try:
        (observed,) = observe(host, situation.service(name)).services
    except CoreError as error:
        progress.young[name] = str(error)
        return
    if observed.main is not None and passage.began is not None and observed.main.began != passage.began:
        progress.young[name] = "it has ended since and was started again"
    elif observed.alive:
        progress.memory[name] = observed.rss
    else:
        progress.young[name] = "it does not run any more"
