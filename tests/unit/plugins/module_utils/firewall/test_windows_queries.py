# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The queries in PowerShell's real engine, with stand-ins for the commands of Windows before them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.windows.collect import (
    PROCESSES,
    QUERIES,
    places,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.windows.parse import parse
from ansible_collections.cryptobot.maintenance.plugins.module_utils.powershell import Answers, parse_answers, script_of

from .small import numbers
from .windows_host import exposer, listener, raw

STAND_INS = Path(__file__).parent / "stand_ins.ps1"
PWSH = shutil.which("pwsh")
needs_pwsh = pytest.mark.skipif(PWSH is None and os.environ.get("CI") != "true", reason="no pwsh on PATH")


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    script = tmp_path_factory.mktemp("queries") / "queries.ps1"
    text = STAND_INS.read_text(encoding="utf-8") + script_of({**QUERIES, "places": PROCESSES})
    script.write_text(text, encoding="utf-8-sig")
    done = subprocess.run(
        [PWSH or "pwsh", "-NoProfile", "-File", str(script)], capture_output=True, text=True, timeout=120, check=True
    )
    return parse_answers(done.stdout)


@needs_pwsh
def test_every_query_answers_objects_with_the_properties_of_the_fixtures(answers: Answers) -> None:
    for name in QUERIES:
        rows = answers[name]
        assert all(isinstance(row, dict) for row in rows), name
        fixture = raw("windows-server-2022")[name]["value"]
        expected = {"displayName", "productState"} if name == "products" else set(fixture[0])
        assert set(rows[0]) == expected, name
    assert json.dumps(answers.raw, ensure_ascii=True).isascii()


@needs_pwsh
def test_enumerations_are_words_and_lists_are_lines(answers: Answers) -> None:
    assert [row["InstanceID"] for row in answers["rules"]] == ['it\'s "quoted" $(x) 防 Inbound True']
    assert answers["rules"][0]["Profile"] == "Domain, Private"
    assert answers["rules"][0]["Group"] == "ActiveStore"
    assert answers["port_filters"][0]["LocalPort"] == "8000\n8002-8004"
    assert answers["security_filters"][0]["OverrideBlockRules"] == "False"
    assert answers["adapters"][0]["InterfaceDescription"] == "Adapter True"
    assert answers["products"][0]["displayName"] == "Produkt root/SecurityCenter2"


@needs_pwsh
def test_the_answers_of_the_engine_are_judged_like_recorded_ones(answers: Answers) -> None:
    known = parse(answers)
    assert known.ruleset.why_unavailable(4) == ""
    asked = exposer(known)
    verdicts = [
        asked.outside(listener(port, "c:\\windows\\x.exe"), 4).verdict(numbers("10.9.0.0/16")) for port in (8000, 8001)
    ]
    assert verdicts == ["open", "filtered"]
    assert places(answers) == {7: ("C:\\x.exe",)}
