# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep what the kernel of this namespace has, as firewall_commit does, in the folder that is named, as ``new-ID``."""

from __future__ import annotations

import sys
from pathlib import Path

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_apply import snapshot
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_apply.rollback import SCRIPT
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost

folder = Path(sys.argv[3])
(folder / "rollback.sh").write_text(SCRIPT)
(folder / "new-a1").mkdir()
snapshot.PARTS = {"none": snapshot.Parts((), "none.service")}  # no files: those would be the machine's own
try:
    snapshot.keep(LinuxHost(60), folder / "new-a1", "none")
except CoreError as error:
    print(error)
