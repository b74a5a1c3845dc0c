# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of service_check as the module gives them to run, for the tests of several platforms."""

from __future__ import annotations

from ansible_collections.cryptobot.maintenance.plugins.module_utils.services import SPEC


def check_params(tmp_path, services, **options):
    """Return all options with their defaults; nothing is remembered and nothing is waited for."""
    defaults = {name: option.get("default") for name, option in SPEC.items()}
    given = {"state_dir": str(tmp_path), "services": services, "patterns": [], "retries": 0}
    return {**defaults, **given, **options}
