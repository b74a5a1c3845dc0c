# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The payload's own main: modules out of bytes, by code that was kept or by source, and what Ansible's wrapper does."""

from __future__ import annotations

import importlib
import io
import marshal
import os
import resource
import sys
import time
import traceback
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pytest

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.carrier import payload_main

SHA256, OTHER = "a" * 64, "b" * 64
DAY = 86400
SOURCES = {
    "core/__init__.py": "",
    "core/one.py": "from .two import name\ndef fail():\n    raise KeyError(name)  # here\n",
    "core/two.py": "name = 'two'\nplace = __file__\n",
}


def zipped(sources: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, source in sources.items():
            archive.writestr(zipfile.ZipInfo(name), source)
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take away what a test had Python find."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in ("core", payload_main.PACKAGE)]:
        del sys.modules[name]


def found(code: bool) -> ModuleType:
    content = zipped(SOURCES)
    archive = payload_main.opened(content)
    kept = payload_main.compile_all(content) if code else {}
    sys.meta_path.insert(0, payload_main.Payload(frozenset(SOURCES), archive.read, kept))
    return importlib.import_module("core.one")


@pytest.mark.parametrize("code", [True, False])
def test_modules_come_out_of_the_bytes(code: bool) -> None:
    one = found(code)
    assert one.name == "two"
    assert importlib.import_module("core.two").place == "payload/core/two.py"
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("core.three")


@pytest.mark.parametrize("code", [True, False])
def test_a_traceback_has_the_lines_of_the_source(code: bool) -> None:
    with pytest.raises(KeyError) as raised:
        found(code).fail()
    told = "".join(traceback.format_exception(raised.type, raised.value, raised.tb))
    assert 'File "payload/core/one.py", line 3, in fail' in told
    assert "raise KeyError(name)  # here" in told


def test_code_that_was_kept_is_not_compiled_again() -> None:
    content = zipped(SOURCES)
    kept = {**payload_main.compile_all(content), "core/two.py": marshal.dumps(compile("name = 'kept'", "x", "exec"))}
    with mock.patch.object(payload_main, "compiled") as compiled:
        sys.meta_path.insert(0, payload_main.Payload(frozenset(SOURCES), dict[str, bytes]().__getitem__, kept))
        assert importlib.import_module("core.one").name == "kept"
    assert compiled.call_count == 0


def test_a_source_that_is_none_is_an_import_error() -> None:
    with pytest.raises(ImportError):
        payload_main.Payload(frozenset(), dict[str, bytes]().__getitem__, {}).get_source("core.none")


ENTRY = """
import sys
def complain(secrets, *error): print("complained", sorted(secrets), error[0].__name__)
def answer_to(request): return {"answered": request}
"""


@pytest.mark.parametrize("code", [True, False])
def test_a_request_is_answered_by_the_entry_and_what_nobody_caught_is_its_to_mask(
    code: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    content = zipped({f"{payload_main.PACKAGE}/__init__.py": "", f"{payload_main.PACKAGE}/entry.py": ENTRY})
    kept = payload_main.compile_all(content) if code else {}
    request: dict[str, Any] = {"area": "x", "secrets": ["hunter2"]}
    assert payload_main.answer(content, kept, request) == {"answered": request}
    sys.excepthook(KeyError, KeyError("x"), None)
    assert capsys.readouterr().out == "complained ['hunter2'] KeyError\n"


# --- what Ansible's own wrapper does ---


def test_it_goes_home_where_it_may_not_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    payload_main.settle(0)
    assert os.getcwd() == str(tmp_path)


def test_it_goes_to_the_root_where_there_is_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    monkeypatch.setattr(os, "getcwd", mock.Mock(side_effect=PermissionError))
    with mock.patch("os.chdir") as changed:
        payload_main.settle(None)
    changed.assert_called_once_with("/")


def test_it_stays_where_it_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    payload_main.settle(0)
    assert os.getcwd() == str(tmp_path)


@pytest.mark.parametrize(("asked", "hard", "expected"), [(4096, 8192, 4096), (9000, 8192, 8192)])
def test_it_takes_as_many_open_files_as_it_may(asked: int, hard: int, expected: int) -> None:
    taken = mock.Mock()
    known = mock.patch.object(resource, "getrlimit", return_value=(1024, hard))
    with known, mock.patch.object(resource, "setrlimit", taken):
        payload_main.settle(asked)
    taken.assert_called_once_with(resource.RLIMIT_NOFILE, (expected, hard))


@pytest.mark.parametrize(("target", "said"), [(None, "check_mode=True"), ("run 7", "run 7 check_mode=True")])
def test_one_line_of_the_hosts_log_says_what_was_asked_and_no_argument(target: str | None, said: str) -> None:
    opened, written = mock.Mock(), mock.Mock()
    with mock.patch("syslog.openlog", opened), mock.patch("syslog.syslog", written):
        payload_main.log({"area": "services", "params": {"password": "hunter2"}, "check_mode": True}, target, 24)
    opened.assert_called_once_with("cryptobot.maintenance.services", 0, 24)
    assert written.call_args.args[1:] == (said,)


# --- the end of what is kept ---

# (file, days since it was used, whether it stays)
SWEPT = [
    (f"{SHA256}.zip", 30, True),  # the one in use
    (f"{SHA256}.cpython-39-610d0d0a.code", 30, True),
    (f"{SHA256}.zip.0123456789abcdef.partial", 0.5, True),  # of a run that still writes
    (f"{SHA256}.zip.fedcba9876543210.partial", 2, False),
    (f"{OTHER}.zip", 30, True),  # another version, whose code another Python used lately
    (f"{OTHER}.cpython-39-610d0d0a.code", 1, True),
    (f"{'c' * 64}.zip", 8, False),
    (f"{'c' * 64}.cpython-39-610d0d0a.code", 30, False),
    (f"{'d' * 64}.zip", 6, True),
    (f"{'f' * 64}.zip", -900, False),  # of a day to come: the clock was wrong
    ("README", 900, True),  # none of ours
    (f"{'e' * 63}.zip", 900, True),
]


def test_what_nobody_used_for_a_week_is_removed(tmp_path: Path) -> None:
    for name, days, _stays in SWEPT:
        path = tmp_path / name
        path.write_bytes(b"")
        os.utime(path, (1, time.time() - days * DAY))
    folder = os.open(tmp_path, os.O_RDONLY)
    payload_main.sweep(folder, SHA256)
    os.close(folder)
    assert {path.name for path in tmp_path.iterdir()} == {name for name, _days, stays in SWEPT if stays}


def test_what_another_run_removes_meanwhile_is_no_error(tmp_path: Path) -> None:
    (tmp_path / f"{OTHER}.zip").write_bytes(b"")
    folder = os.open(tmp_path, os.O_RDONLY)
    with mock.patch("os.stat", side_effect=FileNotFoundError):
        payload_main.sweep(folder, SHA256)
    os.close(folder)
    assert (tmp_path / f"{OTHER}.zip").exists()
