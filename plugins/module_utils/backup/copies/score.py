# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""3-2-1-1-0: three copies of the data, on two media, one at another site, one that cannot be changed, no errors.

The data itself is the first copy, the newest set here the second, and each place that has that set is one more. What
only somebody's word says (the media, the site) is taken; that a copy cannot be changed has to be contents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Optional

from ..model import Catalog
from .context import CopyContext

HERE = "disk"  # what the data and the sets here lie on


class Score(NamedTuple):
    """What there is of each, and in words what lacks. ``immutable`` is None where that is only declared."""

    copies: int
    media: int
    offsite: int
    immutable: Optional[int]
    errors: int
    lacks: tuple[str, ...] = ()

    @property
    def met(self) -> int:
        """How many of the five hold."""
        return sum(
            [
                self.copies >= 3,
                self.media >= 2,
                self.offsite >= 1,
                self.immutable is not None and self.immutable >= 1,
                self.errors == 0 and self.copies >= 2,
            ]
        )


def score_alone(good: bool) -> Score:
    """Given whether a set here counts, return the score where no place elsewhere is declared."""
    found = Score(copies=1 + good, media=1, offsite=0, immutable=0, errors=int(not good))
    return found._replace(lacks=tuple(_lacks(found)))


def score(catalog: Catalog, places: Sequence[CopyContext]) -> Score:
    """Given the sets here and what each place has, return the score."""
    holding = [one for one in places if one.holds_newest]
    fixed = [one for one in holding if one.served.copy.immutable]
    confirmed = sum(one.newest_is_immutable is True for one in fixed)
    unseen = any(one.newest_is_immutable is None for one in fixed)
    wrong = sum(bool(one.trouble) for one in places)
    errors = wrong + sum(found.damaged for found in catalog.sets) + len(catalog.broken) + (not catalog.good)
    found = Score(
        copies=1 + bool(catalog.good) + len(holding),
        media=len({HERE, *(one.served.copy.media for one in holding)}),
        offsite=sum(one.served.copy.offsite for one in holding),
        immutable=confirmed or (None if unseen else 0),
        errors=errors,
    )
    return found._replace(lacks=tuple(_lacks(found)))


def _lacks(found: Score) -> list[str]:
    lacks = []
    if found.copies < 3:
        lacks.append(f"{found.copies} of 3 copies, the data itself among them")
    if found.media < 2:
        lacks.append("all on one kind of medium")
    if not found.offsite:
        lacks.append("none at another site")
    if not found.immutable:
        lacks.append(
            "none that cannot be changed"
            if found.immutable == 0
            else "that one cannot be changed is declared and cannot be seen from here"
        )
    if found.errors:
        lacks.append(f"{found.errors} errors")
    return lacks
