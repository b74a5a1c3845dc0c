# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pace that a plan reckons with is that of a restore which was large enough to tell one."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.memory import recall
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore.act import MEMORY, _finish
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore.plan import RESTORE

from ....fake_host import FakeHost


@pytest.mark.parametrize(
    ("size", "seconds", "pace"), [(64 << 20, 2.0, float(32 << 20)), ((64 << 20) - 1, 2.0, None), (64 << 20, 0.0, None)]
)
def test_a_restore_tells_its_pace_where_it_is_large_enough(tmp_path, size, seconds, pace) -> None:
    journal = SimpleNamespace(id="r1", state="", until=0.0, held={"a": 1}, seconds={RESTORE: seconds}, bytes=size)
    request = SimpleNamespace(state_dir=str(tmp_path), keep_old=60.0)
    _finish(SimpleNamespace(journal=journal, request=request, host=FakeHost()), "")
    assert recall(str(tmp_path), MEMORY).get("bytes_per_second") == pace
    assert journal.held == {}
