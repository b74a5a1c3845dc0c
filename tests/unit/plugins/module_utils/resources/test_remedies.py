# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A remedy is a command of the system that it is for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import OK, SKIPPED
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.checks import CHECKS
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.model import Clock
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.remedies import REMEDIES, in_words_of

from .answers import WINDOWS, mac, windows
from .examples import observed, the_one
from .test_windows import look

LINUX_ONLY = re.compile(
    r"/proc|/etc/fstab|journalctl|timedatectl|chronyc|iotop|fs\.file-max|\bps -eo|conntrack|--max-depth"
)


@pytest.mark.parametrize("platform", sorted(REMEDIES))
def test_a_remedy_belongs_to_a_check_and_names_no_command_of_linux(platform: str) -> None:
    for name, text in REMEDIES[platform].items():
        assert f"resources.{name}" in CHECKS
        assert LINUX_ONLY.search(text) is None, text


@pytest.mark.parametrize("host", [*(windows(release) for release in WINDOWS), mac()])
def test_what_is_found_on_another_system_advises_nothing_that_only_linux_has(host: object, tmp_path: Path) -> None:
    for found in look(host, tmp_path).findings:  # type: ignore[arg-type]
        assert LINUX_ONLY.search(found.remedy) is None, found
        assert bool(found.remedy) is (found.status not in (OK, SKIPPED))


def test_on_linux_the_catalogue_speaks() -> None:
    found = the_one("clock", observed(clock=Clock("the kernel", False)))
    assert in_words_of("linux", [found]) == [found]
    assert in_words_of("windows", [found])[0].remedy.startswith("Start the time service (`Set-Service")
