# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of checkup, as plain data."""

from __future__ import annotations

from typing import Any

from ..options import common_options

# The values of ``checks`` are the options of other modules: each is validated against that module's own SPEC. The
# whole option counts as secret, because they may hold passwords; the module narrows that to the real secrets.
SPEC: dict[str, Any] = {
    "checks": {"type": "dict", "required": True, "no_log": True},
    **common_options(600),
}
