# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for every area on every platform: on a host that lacks all that is asked of it, nothing is well."""

from __future__ import annotations

import importlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from catalogue import all_checks
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import ACTION_STATES, OK, STATUSES, Result
from ansible_collections.cryptobot.maintenance.plugins.module_utils.registry import areas

PACKAGE = "ansible_collections.cryptobot.maintenance.plugins.module_utils"
CORE = Path(__file__).resolve().parents[3] / "plugins" / "module_utils"
AREAS = sorted(path.parent.name for path in CORE.glob("*/run.py"))
PLATFORMS = ("linux", "darwin", "windows")
MANY = {rule.check.id for area in areas() for rule in area.rules().all if rule.many}
CATALOGUE = {check.id for check in all_checks()}

SERVICE = {
    "name": "auth",
    "unit": "cryptobot-auth.service",
    "label": "com.cryptobot.auth",
    "service": "CryptobotAuth",
    "port": 8000,
}


def given(area: str, folder: Path) -> dict[str, Any]:
    """Return what an inventory says to an area: one of each thing that it looks at, none of which is on the host."""
    database = str(folder / "database" / "cryptobot.db")
    every = {
        "services": {"services": [SERVICE], "retries": 0},
        "restart": {"services": [SERVICE]},
        "database": {"databases": [{"name": "main", "engine": "sqlite", "path": database}]},
        "cleanup": {"rules": [{"name": "logs", "path": str(folder / "logs"), "patterns": ["*.log"], "age": "7d"}]},
        "backup": {
            "dir": str(folder / "backup"),
            "sources": [{"name": "config", "type": "files", "path": str(folder / "config")}],
        },
        "restore": {
            "dir": str(folder / "backup"),
            "sources": [{"name": "config", "type": "files", "path": str(folder / "config")}],
        },
        "drill": {
            "dir": str(folder / "backup"),
            "scenario": "host_lost",
            "scenarios": [{"name": "host_lost", "title": "It is gone."}],
            "scratch_dir": str(folder),
        },
        "recover": {
            "dir": str(folder / "backup"),
            "sources": [{"name": "config", "type": "files", "path": str(folder / "config")}],
        },
        "firewall": {"policy": [{"port": "8000", "from": ["loopback"], "why": "asked by each other"}]},
        "firewall_probe": {"enabled": True, "policy": [{"port": "8000", "from": ["loopback"]}]},
        "resources": {"sample_seconds": 0, "scan_seconds": 0},
        "pitr": {"clusters": [{"name": "main"}]},
        "pitr_restore": {"cluster": {"name": "main"}, "dir": str(folder / "copy"), "target": "latest"},
    }
    every["checkup"] = {"checks": {name: filled(name, options, folder) for name, options in every.items()}}
    return every.get(area, {})  # an area that looks without being told of anything


def filled(area: str, options: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Given an area's options, return them with the defaults of its argument_spec, as a controller fills them in."""
    spec = importlib.import_module(f"{PACKAGE}.{area}").SPEC
    return with_defaults(spec, {"state_dir": str(folder / "state"), **options})


def with_defaults(spec: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    unknown = set(options) - set(spec)
    assert not unknown, f"no such options: {unknown}"  # as a controller says it
    return {name: value_of(option, options.get(name, option.get("default"))) for name, option in spec.items()}


def value_of(option: Mapping[str, Any], value: Any) -> Any:
    """Given an option of an argument_spec and its value, return the value with the defaults of what is within it."""
    if value is None and option.get("apply_defaults"):
        value = {}
    if isinstance(value, list) and "options" in option:
        return [with_defaults(option["options"], each) for each in value]
    if isinstance(value, Mapping) and "options" in option:
        return with_defaults(option["options"], value)
    return value


def outcome(area: str, platform: str, folder: Path, **host: Any) -> Any:
    """Return the Result of an area on a bare host of a platform, or the error of the core that it raised."""
    run = importlib.import_module(f"{PACKAGE}.{area}.run").run
    try:
        return run(filled(area, given(area, folder), folder), FakeHost(platform, **host), check_mode=True)
    except CoreError as error:
        return error


EVERYWHERE = [(area, platform) for area in AREAS for platform in PLATFORMS]
# How a host lacks everything: its tools are missing; PowerShell is there and answers each query with an error or with
# nothing; every tool prints what nobody expects; the account may see nothing.
TOOLS = (
    "powershell.exe",
    "launchctl",
    "ps",
    "sysctl",
    "vm_stat",
    "df",
    "lsof",
    "netstat",
    "sw_vers",
    "pfctl",
    "systemctl",
)
BARE: dict[str, dict[str, Any]] = {
    "no tool": {},
    "no answer": {"commands": {"powershell.exe": "{}"}},
    "no object": {"commands": {"powershell.exe": json.dumps({"x": {"value": []}})}},
    "nonsense": {"commands": dict.fromkeys(TOOLS, "p\x00 ??? \ufffd 9e999 [}\n")},
    # some tools have nothing to say where all is well
    "silence": {"commands": dict.fromkeys(set(TOOLS) - {"lsof", "systemctl"}, "")},
    "refusal": {"commands": dict.fromkeys(TOOLS, (1, "", "Operation not permitted")), "admin": False},
}


@pytest.mark.parametrize("lack", BARE)
@pytest.mark.parametrize(("area", "platform"), EVERYWHERE)
def test_a_bare_host_gives_a_result_of_the_agreed_shape(area: str, platform: str, lack: str, tmp_path: Path) -> None:
    result = outcome(area, platform, tmp_path, **BARE[lack])
    if isinstance(result, CoreError):
        assert str(result)
        return
    assert isinstance(result, Result)
    plain = json.loads(json.dumps(result.as_dict()))
    assert plain["status"] in STATUSES
    assert {finding["check"] for finding in plain["findings"]} <= CATALOGUE
    assert all(finding["message"] and finding["procedure"] for finding in plain["findings"])
    assert all(action["state"] in ACTION_STATES and action["reason"] for action in plain["actions"])
    assert said_twice(result) == []


def said_twice(result: Result) -> list[tuple[str, str]]:
    """Return what was said of one check and subject more than once, though its rule says one thing of each."""
    said = Counter((finding.check, finding.subject) for finding in result.findings if finding.check not in MANY)
    return [about for about, times in said.items() if times > 1]


# A status ok needs a source. These have one: they look by Python alone, at files that this test did not make.
BY_PYTHON = {"backup", "cleanup", "database"}
FROM_THE_INVENTORY = {"firewall.policy_expired"}  # judged by what is declared, and by the date


@pytest.mark.parametrize("lack", BARE)
@pytest.mark.parametrize(("area", "platform"), [pair for pair in EVERYWHERE if pair[0] not in {*BY_PYTHON, "checkup"}])
def test_nothing_is_well_on_a_host_that_cannot_be_looked_at(
    area: str, platform: str, lack: str, tmp_path: Path
) -> None:
    result = outcome(area, platform, tmp_path, **BARE[lack])
    well = [] if isinstance(result, CoreError) else [f for f in result.findings if f.status == OK]
    assert [(f.check, f.message) for f in well if f.check not in FROM_THE_INVENTORY] == []


@pytest.mark.parametrize(("area", "platform"), [pair for pair in EVERYWHERE if pair[0] != "checkup"])
def test_a_bare_host_says_why_it_was_not_looked_at(area: str, platform: str, tmp_path: Path) -> None:
    result = outcome(area, platform, tmp_path)
    if isinstance(result, CoreError):
        return
    blind = [finding for finding in result.findings if finding.status in ("unknown", "critical", "warning")]
    assert blind, [finding.as_dict() for finding in result.findings]


@pytest.mark.parametrize("area", AREAS)
def test_no_platform_is_one_that_an_area_does_not_know(area: str, tmp_path: Path) -> None:
    for platform in PLATFORMS:
        result = outcome(area, platform, tmp_path)
        checks = set() if isinstance(result, CoreError) else {finding.check for finding in result.findings}
        assert not {check for check in checks if check.endswith(".platform")}, platform
