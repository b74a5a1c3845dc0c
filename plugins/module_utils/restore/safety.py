# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The safety set: what is about to be replaced, taken as any set is, before anything is touched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..backup.act import give_way
from ..backup.make import SourceFailed, make_set
from ..backup.model import Made
from ..backup.plan import SetPlan
from ..backup.sources.kinds import measure_sources
from ..backup.store.collect import read_catalog
from ..backup.streams import choose_codec
from ..errors import ActionFailed
from ..host import Host
from .declared import Request


class Kept(NamedTuple):
    """What was kept: the id of the set, empty where nothing could be read, and why sources are not in it, by name."""

    id: str
    left: dict[str, str]

    def __str__(self) -> str:
        named = "; ".join(
            f"{name} could not be read, what is there of it is kept as it is: {why}" for name, why in self.left.items()
        )
        made = f"set {self.id}" if self.id else "there is none"
        return f"{made} ({named})" if named else made


def keep(request: Request, names: Sequence[str], reason: str, host: Host, heartbeat: Callable[[], None]) -> Kept:
    """Make a safety set of some sources; one that cannot be read any more is left out and named.

    Raise ActionFailed where the set cannot be made for another reason.
    """
    sources = tuple(source for source in request.backup.sources if source.name in names)
    settings = request.backup._replace(state="present", sources=sources, reason=reason, requested_by="backup_restore")
    codec = choose_codec(settings.compression, settings.compression_level, settings.threads, host)
    left = {name: why for name, why in measure_sources(settings, host).trouble.items() if name in names}
    give_way(host)
    while len(left) < len(sources):
        made = Made(skipped=dict(left))
        catalog = read_catalog(settings.dir, host, settings.sign_key, settings.others)
        try:
            make_set(settings, SetPlan(catalog), codec, host, made, heartbeat)
        except SourceFailed as error:
            if error.source in left:
                raise
            left[error.source] = error.reason
            continue
        if made.published is None:
            raise ActionFailed("no safety set was made")
        return Kept(made.published.id, {**left, **made.skipped})
    return Kept("", left)
