# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps variables from being looked at: values without an end, files that cannot be read."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("ansible", reason="the controller's side")

from ansible.errors import AnsibleError

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.validation import reading


def ring(kind: type) -> Any:
    """Return a value that contains itself two levels down."""
    inner: Any = {"x": 1} if kind is dict else [1]
    outer = [inner]
    if kind is dict:
        inner["self"] = outer
    else:
        inner.append(outer)
    return outer


@pytest.mark.parametrize("kind", [dict, list])
def test_a_value_that_contains_itself_is_endless(kind: type) -> None:
    assert reading.is_endless(ring(kind))
    assert reading.is_endless({"a": [{"b": ring(kind)}]})


def test_a_value_that_is_used_twice_is_not_and_many_times_costs_little() -> None:
    shared: list[Any] = [1]
    for _level in range(60):  # 2 to the 60th ways lead to the innermost
        shared = [shared, shared]
    assert not reading.is_endless(shared)
    assert not reading.is_endless("text")


def test_hosts_whose_variables_cannot_be_read_are_named_by_reason() -> None:
    def raw_of(host: str) -> dict[str, Any]:
        if host == "good":
            return {"x": 1}
        raise AnsibleError("no\nsuch day")

    found, why = reading.readable(["a", "good", "b"], raw_of)
    assert found == {"good": {"x": 1}}
    assert [(str(said.mistake), said.counts, hosts) for said, hosts in why.items()] == [
        ("its variables: Ansible cannot read it: no such day", True, ["a", "b"])
    ]
