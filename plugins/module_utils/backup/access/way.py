# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What it means that another account owns the way to the backup folder: it can put another folder there. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ...trusted import Fault


def who(fault: Fault) -> str:
    """Given a place that belongs to another account, return what that means, as a sentence."""
    kind = "the symlink " if fault.link else ""
    return f"{kind}{fault.path} belongs to uid {fault.owner}, who can replace whole sets"


def led_by(found: Iterable[Fault]) -> str:
    """Given what lets others change a folder, return which link of theirs is on its way, or an empty text."""
    link = next((fault for fault in found if fault.link and fault.owner is not None), None)
    return f"the symlink {link.path} belongs to uid {link.owner}, who leads there what is written" if link else ""
