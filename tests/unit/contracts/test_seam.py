# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for every module: whatever its area returns or raises leaves through the one seam, and no other way."""

from __future__ import annotations

import ast
import base64
import importlib
import io
import json
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ansible", reason="modules need ansible-core")

from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args

from ansible_collections.cryptobot.maintenance.plugins.module_utils import entry, seam
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import CRITICAL, Finding, Result

CHECKOUT = Path(__file__).resolve().parents[3]
PLUGINS = "ansible_collections.cryptobot.maintenance.plugins"
SHELLS = ("bridge", "report", "runner", "validate")  # no area of the core behind them
MODULES = sorted(path.stem for path in (CHECKOUT / "plugins" / "modules").glob("*.py") if path.stem not in SHELLS)
SECRET = "p@ss/w\"or'd\\é-of-the-house"
ODD = f"{SECRET} {json.dumps(SECRET)} {SECRET!r} {base64.b64encode(SECRET.encode()).decode()} \udcff \ud83d \x1b[2J "
FINDING = Finding("a.rule", ODD, CRITICAL, ODD + "z" * 100_000, actual={ODD: [ODD]}, remedy=ODD)
# How a area can end.
ENDS: dict[str, Any] = {
    "result": Result([FINDING], data={"sets": [ODD], ODD: {"a": ODD}}, diff={"before": ODD, "after": ""}),
    "failure": Result([FINDING], failure=ODD + "z" * 100_000),
    "error": CoreError(ODD + "z" * 100_000),
    "defect": KeyError(ODD + "z" * 100_000),
}
LEAVINGS = ("ss/w", "or'd", "or\\'d", "of-the-house", base64.b64encode(SECRET.encode()).decode()[4:12])


def required(module: str) -> dict[str, Any]:
    """Return the least arguments that a module takes."""
    return least(importlib.import_module(f"{PLUGINS}.action.{module}").ActionModule.spec)


def least(spec: Any) -> dict[str, Any]:
    samples = {"list": [], "dict": {}, "path": "/x", "str": "x", "int": 1}
    return {
        name: least(option["options"]) if option["type"] == "dict" and "options" in option else samples[option["type"]]
        for name, option in spec.items()
        if option.get("required")
    }


def ended(end: Any) -> Any:
    def run(_params: Any, _host: Any, _check_mode: bool = False) -> Result:
        if isinstance(end, Exception):
            raise end
        return end

    return run


def proven(answer: dict[str, Any], end: str) -> None:
    written = json.dumps(answer, ensure_ascii=False, allow_nan=False)
    written.encode("utf-8")
    assert [part for part in LEAVINGS if part in written] == []
    assert "\x1b" not in written
    assert bool(answer.get("failed")) is (end != "result")
    if end in ("result", "failure"):
        assert (answer["status"], answer["findings"][0]["status"]) == (CRITICAL, CRITICAL)
        assert len(answer["findings"][0]["message"]) <= seam.MESSAGE
    if end != "result":
        assert "\\ud83d \\x1b[2J" in answer["msg"]
        assert len(answer["msg"]) <= seam.MESSAGE


@pytest.mark.case("BK8", "WN3", "WN4", "WN5")
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", MODULES)
def test_whatever_becomes_of_a_module_leaves_sealed(
    name: str, end: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(f"{PLUGINS}.modules.{name}")
    monkeypatch.setattr(module, "run", ended(ENDS[end]))
    ansible_module = basic.AnsibleModule

    def with_a_secret(*, argument_spec: dict[str, Any], **options: Any) -> Any:
        # a copy: Ansible writes the defaults within an option into that option's own default
        made = ansible_module(argument_spec=deepcopy(argument_spec), **options)
        made.no_log_values = {SECRET}
        return made

    monkeypatch.setattr(module, "AnsibleModule", with_a_secret)
    if hasattr(module, "area_options"):  # the secrets of a checkup are those of its areas
        monkeypatch.setattr(module, "area_options", lambda _module: ({}, {SECRET}))
    with patch_module_args(required(name)), pytest.raises(SystemExit):
        module.main()
    proven(json.loads(capsys.readouterr().out), end)


@pytest.mark.case("BK8", "WN3", "WN4", "WN5")
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", MODULES)
def test_whatever_becomes_of_an_area_leaves_its_entry_sealed(
    name: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    area = importlib.import_module(f"{PLUGINS}.action.{name}").ActionModule.area
    run = importlib.import_module(f"{PLUGINS}.module_utils.{area}.run")
    monkeypatch.setattr(run, "run", ended(ENDS[end]))
    params = {"timeout": 9, **required(name)}
    request = {"area": area, "params": params, "check_mode": True, "secrets": [SECRET]}
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(request).encode())))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO()))
    stdout = sys.stdout
    assert entry.main() == 0
    stdout.flush()
    proven(json.loads(stdout.buffer.getvalue()), end)  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", sorted((CHECKOUT / "plugins" / "modules").glob("*.py")), ids=lambda path: path.stem)
def test_a_module_has_no_other_way_out(path: Path) -> None:
    called = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    names = [each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "") for each in called]
    # what is wrong with a checkup's arguments is told before its areas run
    # and the runner writes what the core's entry, or it itself, has to say
    allowed = {"checkup": {"fail_json"}, "runner": {"write"}}.get(path.stem, set())
    assert set(names) & {"exit_json", "fail_json", "print", "write"} - allowed == set()
    assert names.count("exit_with") == (0 if path.stem in SHELLS else 1)
