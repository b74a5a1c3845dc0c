# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import DONE, FAILED, PLANNED, Action
from ansible_collections.cryptobot.maintenance.plugins.module_utils.steps import Step

STEP = Step("vacuum", "orders", "bloated", details={"bytes": 1})


def test_a_step_says_the_same_in_check_mode_and_in_the_run() -> None:
    assert STEP.planned() == Action("vacuum", "orders", PLANNED, "bloated", {"bytes": 1})
    assert STEP.ended() == Action("vacuum", "orders", DONE, "bloated", {"bytes": 1})


def test_what_became_of_it_has_its_own_reason_and_details() -> None:
    done = STEP.ended(FAILED, "no space", {"bytes": 2, "seconds": 0.5})
    assert done == Action("vacuum", "orders", FAILED, "no space", {"bytes": 2, "seconds": 0.5})
