# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A remedy is a command of the system that it is for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import OK, SKIPPED
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.context import Context
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.history import History
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.model import Clock
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.run import RULES

from .answers import WINDOWS, mac, windows
from .examples import observed, thresholds
from .test_windows import look

LINUX_ONLY = re.compile(
    r"/proc|/etc/fstab|journalctl|timedatectl|chronyc|iotop|fs\.file-max|\bps -eo|conntrack|--max-depth"
)


@pytest.mark.parametrize("platform", ["darwin", "windows"])
def test_a_remedy_belongs_to_a_check_and_names_no_command_of_linux(platform: str) -> None:
    texts = [check.remedies[platform] for check in RULES.checks.values() if platform in check.remedies]
    assert len(texts) > 10
    for text in texts:
        assert LINUX_ONLY.search(text) is None, text


@pytest.mark.parametrize("host", [*(windows(release) for release in WINDOWS), mac()])
def test_what_is_found_on_another_system_advises_nothing_that_only_linux_has(host: object, tmp_path: Path) -> None:
    for found in look(host, tmp_path).findings:  # type: ignore[arg-type]
        assert LINUX_ONLY.search(found.remedy) is None, found
        assert bool(found.remedy) is (found.status not in (OK, SKIPPED))


def test_on_linux_the_catalogue_speaks() -> None:
    seen = observed(clock=Clock("the kernel", False))
    clock = RULES["resources.clock"]
    remedies = {
        platform: [
            finding.remedy
            for finding in Context(seen, thresholds(), History(), platform=platform).judged_by(RULES)
            if finding.check == clock.id
        ]
        for platform in ("linux", "windows")
    }
    assert remedies["linux"] == [clock.remedy]
    assert remedies["windows"][0].startswith("Start the time service (`Set-Service")
