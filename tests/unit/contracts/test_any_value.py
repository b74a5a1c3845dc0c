# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever an inventory gives any option of any area: validation answers with mistakes, and raises nothing."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any, Union

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.mistakes import Mistake
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.areas import AREAS, CORE, mistakes_in
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.validation.names import KNOWN
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.validation.variables import check

PLATFORMS = ("linux", "darwin", "windows")
# What is odd at one place or another: nothing, blanks, control characters, numbers of every size, half a syntax.
BLANK = ("", " ", "\t\n", "\0", "a\0b", "A=B", "=", "/", "~", "$HOME", "%X%", "C:", "..", ",")
ODDITIES = (
    *BLANK,
    *("//", "~nobody-here", "%", "\\\\", "0", "-1", "1e999", "nan", "9" * 400, "1_0", "\u0663", "\udc80", "x" * 70),
    *(
        "(",
        "[",
        "(?P<a>)",
        "*",
        "a,b",
        "{}",
        "[]",
        "::",
        "::1%",
        "[::1",
        "localhost",
        "any",
        "1-",
        "-1-2",
        "10.0.0.0/33",
    ),
    *("http://[", "http://h:99999999", "http://u:p@h:1", "//h", "1d", "1M", "1.5.5G", "2027-02-30", "0000-00-00"),
)
ODD = st.sampled_from(ODDITIES)
ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | ODD | st.text(max_size=8)
ANYTHING = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(ODD, inner, max_size=2), max_leaves=4
)
# What each area takes: one option of it is replaced at a time, because what is wrong beside it would hide a crash.
SERVICE = {"name": "auth", "unit": "auth", "label": "auth", "service": "auth", "port": 8000, "health": {"path": "/x"}}
SCRIPT = {"name": "trade", "pid_file": "~/trade.pid", "command": ["~/trade", "x"], "depends_on": ["auth"]}
ROWS = {**SCRIPT, "ports": [{"port": 1}], "declared_in": [{"path": "~/x", "pattern": "(x)"}]}
SOUND: dict[str, dict[str, Any]] = {
    "resources": {"thresholds": {"mounts": [{"mount": "/data"}]}},
    "services": {"services": [SERVICE, ROWS], "patterns": [{"pattern": "a*"}]},
    "backup": {
        "dir": "~/backups",
        "sources": [{"name": "a", "type": "files", "path": "~/a"}, {"name": "p", "type": "postgresql"}],
        "retention": {"daily": 7},
    },
    "firewall": {"policy": [{"port": "22", "from": ["any"]}]},
    "firewall_probe": {
        "addresses": ["10.0.0.5"],
        "targets": [{"host": "db1", "host_address": "10.0.0.6", "policy": [{"port": "22", "from": ["any"]}]}],
    },
    "firewall_apply": {"policy": [{"port": "22", "from": ["any"]}]},
    "restore": {
        "dir": "~/backups",
        "sources": [{"name": "a", "type": "files", "path": "~/a"}, {"name": "p", "type": "postgresql"}],
        "services": [SERVICE, ROWS],
        "hold": ["auth"],
        "only": ["a"],
    },
    "drill": {
        "dir": "~/backups",
        "scenario": "host_lost",
        "scenarios": [{"name": "host_lost", "title": "It is gone.", "types": ["files"], "questions": ["Why?"]}],
        "smoke": [{"name": "auth", "command": ["{root}/auth"], "user": "cryptobot", "port": 9000}],
        "sandbox": ["EXCHANGE_SANDBOX=true"],
    },
    "recover": {
        "dir": "~/backups",
        "sources": [{"name": "a", "type": "files", "path": "~/a"}],
        "services": [SERVICE],
        "steps": [{"name": "restore"}, {"name": "own", "after": "restore"}],
        "packages": ["postgresql"],
        "accounts": [{"name": "cryptobot", "uid": 997, "groups": ["adm"]}],
        "findings": [],
    },
    "cleanup": {"rules": [{"name": "logs", "path": "~/app/logs", "patterns": ["*.1"], "age": "35d"}]},
    "database": {"databases": [{"name": "a", "engine": "sqlite", "path": "~/a"}], "require_backup": {"dir": "~/b"}},
    "pitr": {
        "clusters": [{"name": "main"}, {"name": "b", "engine": "basebackup", "archive_dir": "~/a", "base_dir": "~/b"}]
    },
    "pitr_restore": {"cluster": {"name": "main"}, "dir": "~/copy", "value": "2026-11-29 20:33:19+00"},
    "restart": {"services": [SERVICE, ROWS], "trading": {"service": "auth", "url": "http://h:1"}},
}
Place = tuple[Union[str, int], ...]


def places(spec: Mapping[str, Any], given: Any, path: Place = ()) -> Iterator[Place]:
    """Yield where each option of a SPEC is among those that are given, in every row of a list."""
    for name, option in spec.items():
        yield (*path, name)
        value = given.get(name)
        if option.get("elements"):
            yield (*path, name, 0)
        rows = list(enumerate(value)) if isinstance(value, list) else []
        for at, row in rows:
            yield from places(option.get("options") or {}, row, (*path, name, at))
        if isinstance(value, dict) and "options" in option:
            yield from places(option["options"], value, (*path, name))


def replaced(given: Any, path: Place, value: Any) -> Any:
    """Return options with a value at a place, which need not be there."""
    if not path:
        return value
    step, *rest = path
    if isinstance(step, int):
        rows = list(given or [None])
        rows[step] = replaced(rows[step], tuple(rest), value)
        return rows
    return {**(given or {}), step: replaced((given or {}).get(step), tuple(rest), value)}


def spec_of(area: str) -> dict[str, Any]:
    spec: dict[str, Any] = importlib.import_module(f"{CORE}.{area}").SPEC
    return spec


@pytest.mark.parametrize("area", AREAS)
def test_what_is_replaced_was_right(area: str) -> None:
    assert mistakes_in(area, SOUND.get(area, {}), ("linux",)) == []


@pytest.mark.case("RP3", "RP4")
@pytest.mark.parametrize("area", AREAS)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_value_of_any_option_is_right_or_a_mistake(area: str, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(list(places(spec_of(area), SOUND.get(area, {})))))
    options = replaced(SOUND.get(area, {}), place, data.draw(ODD | ANYTHING))
    for mistake in mistakes_in(area, options, (data.draw(st.sampled_from(PLATFORMS)),)):
        assert isinstance(mistake, Mistake)
        assert str(mistake).isprintable()


@pytest.mark.case("RP3", "RP4")
@pytest.mark.parametrize("area", AREAS)
@pytest.mark.parametrize("odd", BLANK, ids=ascii)
def test_each_odd_value_at_each_place_is_right_or_a_mistake(area: str, odd: str) -> None:
    for place in places(spec_of(area), SOUND.get(area, {})):
        for value in (odd, [odd], {odd: odd}):
            options = replaced(SOUND.get(area, {}), place, value)
            assert all(str(mistake).isprintable() for mistake in mistakes_in(area, options, ("linux",)))


@pytest.mark.case("RP3", "RP4")
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    variables=st.dictionaries(st.sampled_from(sorted(KNOWN)) | ODD, ANYTHING, max_size=6),
    platform=st.sampled_from(PLATFORMS),
)
def test_any_value_of_any_variable_is_right_or_a_mistake(variables: dict[str, Any], platform: str) -> None:
    for said in check(variables, variables, platform, AREAS):
        assert str(said.mistake).isprintable()
        assert "a defect of the collection" not in str(said.mistake)
