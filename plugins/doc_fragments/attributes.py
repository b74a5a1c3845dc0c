# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What holds for every module of the collection; a module's own C(attributes) add its support and details."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and return the changed status prediction without modifying the host.
  diff_mode:
    description: Returns details on what has changed, or possibly needs changing, when in diff mode.
  idempotent:
    description: A second run right after the first reports no change.
  platform:
    description: Systems that the module runs on.
"""
