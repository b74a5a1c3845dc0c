# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about a store that is not the backup folder itself: what vanished from it, and what does not belong there."""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import CRITICAL, OK, SKIPPED, WARNING
from ..printable import printable
from ..registry import Outcome, Rules
from .context import Context

RULES = Rules()
NAMED = 10


@RULES.rule(
    "backup.repository",
    procedure="D1.4",
    remedy="Find out who else has the repository's password or may write there. What was lost comes back only from a "
    "copy elsewhere; what is foreign goes with restic forget and its full id, after a look.",
    source="restic check ends well after a snapshot was deleted or added, so this host keeps an inventory of its own.",
    per="always",
    title="With store restic: every set that this host made and did not remove is in the repository, and nothing is "
    "there that no manifest lists.",
)
def judge_repository(context: Context) -> Iterator[Outcome]:
    """Yield what vanished from the repository and what does not belong there."""
    stock = context.catalog.store
    if not stock.where:
        yield Outcome(SKIPPED, "the sets lie in the backup folder itself", remedy="")
        return
    for set_id in stock.lost:
        message = f"set {set_id} was made by this host, was not removed by it, and is gone from {stock.where}"
        yield Outcome(CRITICAL, message, subject=set_id)
    if stock.strays:
        names = "; ".join(map(printable, stock.strays[:NAMED]))
        message = f"{len(stock.strays)} things in {stock.where} are of no set: {names}"
        yield Outcome(WARNING, message, 0, len(stock.strays))
    elif not stock.lost:
        yield Outcome(OK, f"{stock.where} holds what this host made, and nothing else")
