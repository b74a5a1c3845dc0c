# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Optional

import pytest

pytest.importorskip("ansible", reason="a filter plugin needs ansible-core")

from ansible.errors import AnsibleFilterError

from ansible_collections.cryptobot.maintenance.plugins.filter.select_checks import select_checks

CHECKS = {"resources": {}, "services": {"services": []}, "firewall": {}}

# (tags asked for, tags declined, procedures of the run, areas that remain)
CASES = [
    (["all"], [], None, {"resources", "services", "firewall"}),
    (["D1.2"], [], None, {"services"}),
    (["firewall"], [], None, {"firewall"}),
    (["D1.2", "W2.3"], [], None, {"services", "firewall"}),
    (["W1.3"], [], None, set()),
    (["all"], ["D1.1"], None, {"services", "firewall"}),
    (["all"], ["services"], None, {"resources", "firewall"}),
    (["D1.2"], ["services"], None, set()),
    (["all"], [], ["D1.1", "W2.3"], {"resources", "firewall"}),
    (["D1.2"], [], ["D1.1"], set()),
]


@pytest.mark.parametrize(("run", "skip", "procedures", "areas"), CASES)
def test_areas_follow_the_tags_as_tasks_do(run: list, skip: list, procedures: Optional[list], areas: set) -> None:
    assert set(select_checks(CHECKS, run, skip, procedures)) == areas


def test_what_remains_keeps_its_options() -> None:
    assert select_checks(CHECKS, ["D1.2"]) == {"services": {"services": []}}


def test_what_is_left_out_is_not_even_looked_at() -> None:
    class Lazy(dict):
        def __getitem__(self, area: str) -> object:
            assert area == "services"
            return super().__getitem__(area)

        items = values = None

    assert set(select_checks(Lazy(CHECKS), ["D1.2"])) == {"services"}


def test_an_area_that_is_none_of_a_checkup_is_named() -> None:
    with pytest.raises(AnsibleFilterError, match="'resuorces' is no area of a checkup, expected one of"):
        select_checks({"resuorces": {}}, ["all"])
