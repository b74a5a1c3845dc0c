# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several areas in one trip to the host: a trip costs more than all they do."""

from __future__ import annotations

from typing import Any

from ..options import common_options, option
from ..registry import declare

# The values of ``checks`` are the options of other modules: each is validated against that module's own SPEC. The
# whole option counts as secret, because they may hold passwords; the module narrows that to the real secrets.
SPEC: dict[str, Any] = {
    "checks": option(
        "dict",
        [
            "What to look at. The keys are areas, the values are the options of that area's module.",
            "They are validated as that module would. O(state_dir) is handed to each area that does not name its own.",
        ],
        required=True,
        no_log=True,
    ),
    **common_options(600, "Seconds that the whole run may take. Areas not reached by then are reported as V(unknown)."),
}

AREA = declare(
    __name__,
    module="checkup",
    spec=SPEC,
    procedures=(),
)
