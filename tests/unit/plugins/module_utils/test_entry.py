# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The core's own main: a request on stdin, an answer on stdout, and nothing of a secret anywhere."""

from __future__ import annotations

import io
import json
import sys
import types
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils import entry
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Result
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import Host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.registry import declare

SECRETS = frozenset({"hunter2", "hunter22"})


def run(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    """An area that returns what it was given, and does as it is told."""
    print("a stray word")  # must not get between the answer
    if params.get("raise") == "core":
        raise CoreError("the orders with hunter2 cannot be read")
    if params.get("raise") == "defect":
        raise KeyError("hunter2")
    return Result(data={"given": params, "check_mode": check_mode}, failure=params.get("failure", ""))


SPEC = {
    "dir": {"type": "path"},
    "dirs": {"type": "list", "elements": "path"},
    "name": {"type": "str"},
    "rules": {"type": "list", "elements": "dict", "options": {"path": {"type": "path"}, "age": {"type": "str"}}},
    "login": {"type": "dict", "options": {"passfile": {"type": "path"}}},
}


@pytest.fixture(autouse=True)
def parrot(monkeypatch: pytest.MonkeyPatch) -> None:
    """An area ``parrot``, where entry.py looks for areas."""
    area = declare(f"{entry.__package__}.parrot", module="parrot", spec=SPEC, procedures=(), acts=True)
    for name, content in (("parrot", {"AREA": area}), ("parrot.run", {"run": run})):
        module = types.ModuleType(f"{entry.__package__}.{name}")
        vars(module).update(content, __path__=[])
        monkeypatch.setitem(sys.modules, module.__name__, module)


def ask(monkeypatch: pytest.MonkeyPatch, before: bytes = b"", **params: Any) -> dict[str, Any]:
    request = {"area": "parrot", "params": {"timeout": 9, **params}, "check_mode": True, "secrets": sorted(SECRETS)}
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # main() sets its own; it is put back
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(before + json.dumps(request).encode())))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO()))
    stdout = sys.stdout
    assert entry.main() == 0
    stdout.flush()
    written: bytes = stdout.buffer.getvalue()  # type: ignore[attr-defined]
    assert written.isascii()
    assert written.count(b"\n") == 1
    answer: dict[str, Any] = json.loads(written)
    return answer


def test_the_answer_is_one_line_of_ascii_json_whatever_the_core_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = ask(monkeypatch, name="Zürich 漢字")
    assert answer["given"]["name"] == "Zürich 漢字"
    assert (answer["check_mode"], answer["changed"]) == (True, False)


def test_a_byte_order_mark_before_the_request_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(monkeypatch, before=b"\xef\xbb\xbf", name="x")["given"]["name"] == "x"


def test_an_error_of_the_core_is_an_answer_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = ask(monkeypatch, **{"raise": "core"})
    assert (answer["failed"], answer["msg"]) == (True, "the orders with ******** cannot be read")


def test_an_action_that_did_not_succeed_fails_with_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = ask(monkeypatch, failure="the restart did not succeed")
    assert (answer["failed"], answer["msg"]) == (True, "the restart did not succeed")
    assert answer["given"]["failure"] == "the restart did not succeed"


def test_a_defect_of_the_core_is_an_answer_that_failed_and_names_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = ask(monkeypatch, **{"raise": "defect"})
    assert answer["failed"] is True
    assert answer["msg"].startswith("KeyError: '********' at module_utils/test_entry.py:")
    assert "Traceback (most recent call last)" in answer["exception"]
    assert "hunter2" not in str(answer)


@pytest.mark.case("WN3")
def test_a_defect_before_there_is_an_answer_is_a_bounded_traceback_without_secrets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    entry.complain(SECRETS, KeyError, KeyError("hunter2" + "x" * 100_000), None)
    said = capsys.readouterr().err
    assert "KeyError: '********xxx" in said
    assert len(said) <= entry.TRACEBACK + 1


@pytest.mark.case("WN3", "WN4")
def test_an_answer_is_sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = ask(
        monkeypatch, name="a half \ud83d and a byte \udce9 of hunter2", rules=[{"path": '"hunter22"', "age": None}]
    )
    assert answer["given"]["name"] == "a half \\ud83d and a byte \\xe9 of ********"
    assert answer["given"]["rules"] == [{"path": '"********"', "age": None}]


def test_paths_are_resolved_by_the_host_and_nothing_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/user")
    monkeypatch.setenv("DATA", "/data")
    given = {
        "dir": "$DATA/x",
        "dirs": ["~/a", "/b"],
        "name": "~ $DATA",
        "rules": [{"path": "~/logs", "age": "~"}],
        "login": {"passfile": "~/.pgpass"},
        "unknown": "~",
    }
    assert entry.with_paths("parrot", given) == {
        "dir": "/data/x",
        "dirs": ["/home/user/a", "/b"],
        "name": "~ $DATA",
        "rules": [{"path": "/home/user/logs", "age": "~"}],
        "login": {"passfile": "/home/user/.pgpass"},
        "unknown": "~",
    }


def test_an_option_that_was_not_given_stays_so() -> None:
    given = {"dir": None, "dirs": None, "rules": None}
    assert entry.with_paths("parrot", given) == given


def test_the_paths_of_the_areas_of_a_checkup_are_resolved_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/user")
    given = {"checks": {"parrot": {"dir": "~/x"}}, "state_dir": "~/state"}
    assert entry.with_paths("checkup", given) == {
        "checks": {"parrot": {"dir": "/home/user/x"}},
        "state_dir": "/home/user/state",
    }


@pytest.mark.parametrize("acts", [True, False])
@pytest.mark.parametrize("low_priority", [True, False])
def test_an_area_is_bounded_and_gives_way_as_it_says(
    acts: bool, low_priority: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    parrot = sys.modules[f"{entry.__package__}.parrot"]
    vars(parrot)["AREA"] = vars(parrot)["AREA"]._replace(acts=acts, low_priority=low_priority)
    told: dict[str, Any] = {}
    monkeypatch.setattr(entry, "exit_with", lambda _exchange, _run, **options: told.update(options))
    entry.answer_to({"area": "parrot", "params": {"timeout": 9}, "check_mode": False, "secrets": []})
    assert told == {"acts": acts, "low_priority": low_priority}
