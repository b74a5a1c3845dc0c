# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import (
    ANNOTATIONS,
    argument_spec,
    common_options,
    option,
)

INNER = {"port": option("int", "Its port.", required=True, example=80)}
SPEC = {
    "services": option("list of dict", ["What runs.", "Each by its name."], options=INNER, example=[{"port": 80}]),
    "token": option("str", "What it is asked with.", no_log=True, variable="cryptobot_token"),
    "description": option("str", "An option may have the name of an annotation.", version_added="1.1.0"),
}


def test_an_option_of_a_list_names_its_elements() -> None:
    assert option("list of path", "Where.", default=[]) == {
        "type": "list",
        "elements": "path",
        "description": "Where.",
        "default": [],
    }
    assert "elements" not in option("str", "What of what.")


def test_ansible_gets_what_it_knows_of_the_options_and_of_those_within() -> None:
    assert argument_spec(SPEC) == {
        "services": {"type": "list", "elements": "dict", "options": {"port": {"type": "int", "required": True}}},
        "token": {"type": "str", "no_log": True},
        "description": {"type": "str"},
    }


def test_what_a_list_of_mappings_demands_is_kept() -> None:
    bound = option("list of dict", "Rows.", options=INNER, required_if=[("a", "b", ("c",))], mutually_exclusive=["d"])
    spec = argument_spec({"rows": bound})
    assert set(spec["rows"]) == set(bound) - ANNOTATIONS


def test_every_area_has_the_common_options_with_its_own_bound() -> None:
    assert list(common_options(60)) == ["state_dir", "timeout"]
    assert common_options(60, "Seconds of all.")["timeout"] == option("int", "Seconds of all.", default=60)
