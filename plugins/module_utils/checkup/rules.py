# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is looked at of a checkup itself, whatever its areas find."""

from __future__ import annotations

from ..registry import Rules

RULES = Rules()
RAN = RULES.check(
    "checkup.ran",
    "Each area that a checkup was asked for could be looked at to its end.",
    procedure="D1.1",
    remedy="Run the area's own module against this host with -vvv and read its error.",
    source="unknown is never ok: what could not be looked at is a finding",
)
STATE = RULES.check(
    "checkup.state",
    "The state folder and all folders above it can be changed by root and the account of the run alone (on Windows: by "
    "SYSTEM and the Administrators). Where another could, nothing in it is believed: there is no memory of earlier "
    "runs, no maintenance marker, and a module that acts refuses to.",
    procedure="D1.1",
    remedy="Look who made or opened the folder that is named; give it back to root (chown root, chmod go-w) with what "
    "lies in it removed, or set cryptobot_state_dir to another.",
    source="owner, mode and kind of each folder from / down, as OpenSSH asks it of authorized_keys (StrictModes)",
)
