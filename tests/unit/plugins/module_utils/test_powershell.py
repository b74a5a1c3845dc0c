# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking Windows by PowerShell: what is sent, what comes back, and why there is no answer where there is none."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils import powershell
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import (
    ParseError,
    SourceDenied,
    SourceMissing,
    ToolMissing,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.powershell import (
    Answers,
    ask,
    literal,
    parse_answers,
    script_of,
    some,
)

LITERALS = [
    ("plain", "'plain'"),
    ("it's", "'it''s'"),
    ("typographic \u2018\u2019\u201a\u201b", "'typographic \u2018\u2018\u2019\u2019\u201a\u201a\u201b\u201b'"),
    ("$(Remove-Item x)", "'$(Remove-Item x)'"),
    (7, "7"),
    (["a", "b'c"], "@('a', 'b''c')"),
    ("\ud800", "(-join @([char]55296))"),
    ("C:\\a\udc00'b", "(-join @('C:\\a', [char]56320, '''b'))"),
    ("\U0001f600", "'\U0001f600'"),
]
ANSWERS = [
    ({"value": [1, 2]}, [1, 2]),
    ({"value": []}, []),
    ({"value": None}, []),
    ({"value": {"Name": "one"}}, [{"Name": "one"}]),
    ({"value": {"value": [1], "Count": 1}}, [1]),
]
REFUSALS = [
    (
        {"error": "Access is denied.\r\nAt line 1", "kind": "PermissionDenied"},
        SourceDenied,
        "Access is denied. At line 1",
    ),
    (
        {"error": "not recognized", "missing": "Get-NetFirewallRule", "kind": "ObjectNotFound"},
        ToolMissing,
        "Get-NetFire",
    ),
    ({"error": "No instance", "kind": "ObjectNotFound"}, SourceMissing, "asked"),
]
GARBAGE = ["", "[1]", "null", '{"asked": 1}', "#< CLIXML", '{"asked": {"value": [1]']


@pytest.mark.parametrize(("value", "written"), LITERALS)
def test_a_literal_expands_nothing(value, written):
    assert literal(value) == written


@pytest.mark.parametrize(("answer", "expected"), ANSWERS)
def test_an_answer_is_a_list_however_the_version_writes_it(answer, expected):
    assert Answers({"asked": answer})["asked"] == expected


@pytest.mark.parametrize(("answer", "error", "said"), REFUSALS)
def test_a_refusal_says_why(answer, error, said):
    with pytest.raises(error, match=said):
        Answers({"asked": answer})["asked"]


def test_what_was_not_answered_is_not_an_empty_answer():
    with pytest.raises(SourceDenied, match="it was not answered"):
        Answers({})["asked"]


@pytest.mark.parametrize("text", GARBAGE)
def test_what_is_no_answer_is_named(text):
    with pytest.raises(ParseError, match=r"the answer of powershell\.exe"):
        parse_answers(text)


def test_one_powershell_answers_all_queries():
    host = FakeHost("windows", commands={"powershell.exe": json.dumps({"a": {"value": [1]}, "b": {"error": "no"}})})
    answers = ask(host, {"a": "1", "b": "2"})
    assert answers["a"] == [1]
    assert len(host.ran) == 1


def test_the_engine_itself_answers_as_the_parser_expects(monkeypatch):
    if shutil.which("pwsh") is None:
        reason = "PowerShell is needed: no `pwsh` on PATH"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    monkeypatch.setattr(powershell, "ARGV", ("pwsh", *powershell.ARGV[1:]))
    hostile = "it\u2019s 'ä' \U0001f600 $HOME"
    queries = {
        "text": literal(hostile),
        "many": "1..3 | ForEach-Object { [pscustomobject]@{ n = $_ } }",
        "none": "@()",
        "gone": "Get-Nonsense",
        "refused": "throw 'no way'",
        "when": "Utc ([datetime]'2026-01-02T03:04:05Z')",
    }
    answers = ask(choose_host(60.0), queries)
    assert answers["text"] == [hostile]
    assert answers["many"] == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert answers["none"] == []
    assert answers["when"] == ["2026-01-02T03:04:05.000Z"]
    with pytest.raises(ToolMissing, match="the command 'Get-Nonsense' was not found on this host"):
        answers["gone"]
    with pytest.raises(SourceDenied, match="refused cannot be read: no way"):
        answers["refused"]


def test_names_and_queries_are_in_the_script_and_nothing_else_of_the_host():
    assert "Ask 'it''s' { Get-Date }" in script_of({"it's": "Get-Date"})


# A function of a module, as the CDXML commands of Windows are: it writes an error that does not end it, and sees
# neither the preference of the script's scope nor its default parameters (about_Preference_Variables of Microsoft's
# documentation). The second one writes an object first.
MODULE = """
function Get-NetRefused { [CmdletBinding()] param() Write-Error 'Access is denied.' -Category PermissionDenied }
function Get-NetHalf { [CmdletBinding()] param() 'first'; Write-Error 'Access is denied.' -Category PermissionDenied }
function Get-NetQuiet { [CmdletBinding()] param() Write-Error 'It is let pass' -ErrorAction SilentlyContinue; 'whole' }
"""


@pytest.fixture
def engine(monkeypatch, tmp_path):
    """PowerShell's own engine, in which Windows' commands are the functions of a module."""
    if shutil.which("pwsh") is None:
        reason = "PowerShell is needed: no `pwsh` on PATH"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    (tmp_path / "NetOfTests").mkdir()
    (tmp_path / "NetOfTests" / "NetOfTests.psm1").write_text(MODULE)
    monkeypatch.setenv("PSModulePath", str(tmp_path))
    monkeypatch.setattr(powershell, "ARGV", ("pwsh", *powershell.ARGV[1:]))
    return choose_host(60.0)


@pytest.mark.case("WN1")
def test_a_function_of_a_module_that_is_refused_is_no_empty_answer(engine):
    names = ("Get-NetRefused", "Get-NetHalf", "Get-NetQuiet")
    answers = ask(engine, {name: f"Import-Module NetOfTests; {name}" for name in names})
    for name in names[:2]:
        with pytest.raises(SourceDenied, match="Access is denied"):
            answers[name]
    assert answers["Get-NetQuiet"] == ["whole"]


@pytest.mark.case("WN1")
def test_what_cannot_be_empty_is_not_believed_empty(engine):
    filtered = f"{some('1, 2')} | Where-Object {{ $_ -gt 1 }}"
    answers = ask(engine, {"none": some("@()"), "one": some("1"), "filtered": filtered})
    with pytest.raises(SourceDenied, match="it answered nothing, and there always is something"):
        answers["none"]
    assert (answers["one"], answers["filtered"]) == ([1], [2])


@pytest.mark.case("WN4")
@pytest.mark.parametrize("name", ["\ud83d", "a\udc00b", "\udfff\ud800", "\U0001f600\ud800'x"])
def test_half_a_surrogate_pair_goes_there_and_back(engine, name):
    answers = ask(engine, {"text": literal(name), "list": literal([name, "x"]), "length": f"{literal(name)}.Length"})
    assert answers["text"] == [name]
    assert answers["list"] == [name, "x"]
    assert answers["length"] == [len(name.encode("utf-16-le", "surrogatepass")) // 2]
