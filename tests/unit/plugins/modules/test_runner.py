# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module runner in processes of its own, on old and new Pythons: what it answers, keeps and imports."""

from __future__ import annotations

import ast
import base64
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from .host import RUNNER, SECRET, SOURCE, Host, answer_of, encoded, environment, filled, made, python, run

TOO_OLD = ("3.6", "3.7", "3.8")
FINE = ("3.9", "3.11", "3.13")
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="it becomes another account, for which it needs root")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "kept")


def interpreter(version: str) -> str:
    found = python(version)
    if found is None:
        pytest.skip(f"there is no Python {version} on this machine")
    return found


@pytest.mark.parametrize("version", TOO_OLD)
def test_a_python_that_is_too_old_is_named_with_what_to_do(version: str, host: Host) -> None:
    told = answer_of(run({"payload_sha256": "x"}, interpreter(version)))
    assert told["failed"] is True
    assert f"is Python {version}." in told["msg"]
    assert "expected 3.9 or newer: set ansible_python_interpreter" in told["msg"]


@pytest.mark.parametrize("version", FINE)
def test_it_answers_from_what_was_sent_and_then_from_what_is_kept(version: str, host: Host) -> None:
    payload, path = made(), interpreter(version)
    options = {"dir": str(host.folder), "payload_sha256": payload.sha256, "request": encoded()}
    assert answer_of(run(options, path)) == {"changed": False, "payload_present": False}
    first = answer_of(run({**options, **payload.options()}, path))
    second = answer_of(run(options, path))
    assert first == second
    assert (first["said"], first["kept_code"]) == ("the payload", True)
    assert first["asked"]["params"] == {"password": SECRET}


def test_each_python_keeps_code_of_its_own(host: Host) -> None:
    payload = made()
    options = {"dir": str(host.folder), "request": encoded(), **payload.options()}
    for version in ("3.9", "3.13"):
        assert answer_of(run(options, interpreter(version)))["said"] == "the payload"
    assert [path.name.split(".")[1].partition("-")[0] for path in host.files(".code")] == ["cpython", "cpython"]
    assert len(host.files(".zip")) == 1


def test_two_versions_live_beside_each_other(host: Host) -> None:
    old, new = made(), made(SOURCE.replace("the payload", "the next payload"))
    assert [host.ask(each, bring=True)["said"] for each in (old, new)] == ["the payload", "the next payload"]
    assert [host.ask(each)["said"] for each in (old, new)] == ["the payload", "the next payload"]


def test_what_is_kept_is_this_accounts_alone(host: Host) -> None:
    host.ask(made(), bring=True)
    assert host.folder.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in host.files()] == [0o600, 0o600]


def test_nothing_is_kept_where_that_is_not_wanted(host: Host) -> None:
    told = host.ask(made(), bring=True, keep=False)
    assert (told["said"], told["kept_code"], "warnings" in told) == ("the payload", False, False)
    assert not host.folder.exists()
    assert host.ask(made(), keep=False)["payload_present"] is False


def test_without_a_request_it_sees_to_it_that_the_core_is_there(host: Host) -> None:
    payload = made()
    options = {"dir": str(host.folder), "payload_sha256": payload.sha256}
    assert answer_of(run(options)) == {"changed": False, "payload_present": False}
    assert answer_of(run({**options, **payload.options()})) == {"changed": False, "payload_present": True, "kept": True}
    assert answer_of(run(options))["kept"] is True
    host.folder.chmod(0o777)
    assert answer_of(run({**options, **payload.options()}))["kept"] is False


def test_a_job_that_nobody_would_bring_the_core_to_fails_where_it_is_gone(host: Host) -> None:
    """Between the question and the job of async somebody removed it: a job that did nothing is none that is done."""
    options = {"dir": str(host.folder), "payload_sha256": made().sha256, "request": encoded(), "detached": True}
    told = answer_of(run(options))
    assert told["failed"] is True
    assert told["msg"].startswith("nothing was run: the core was removed from this host since")
    assert answer_of(run({**options, **made().options()}))["said"] == "the payload"


def test_without_arguments_it_says_what_is_missing() -> None:
    told = answer_of(run({}))
    assert (told["failed"], told["msg"].partition(";")[0]) == (True, "payload_sha256 is missing")


@pytest.mark.case("WN3")
def test_no_secret_is_in_what_is_kept(host: Host) -> None:
    host.ask(made(), bring=True)
    forms = (SECRET, base64.b64encode(SECRET.encode()).decode()[:20], encoded()[:40])
    assert [form for path in host.files() for form in forms if form.encode() in path.read_bytes()] == []


def test_nothing_is_imported_from_where_it_was_started(tmp_path: Path, host: Host) -> None:
    place = tmp_path / "another's"
    place.mkdir()
    for name in ("json", "binascii", "hashlib", "zipfile", "syslog", "payload", "cryptobot_maintenance"):
        (place / f"{name}.py").write_text("raise SystemExit('planted')", "utf-8")
    options = {"dir": str(host.folder), "request": encoded(), **made().options()}
    assert answer_of(run(options, cwd=place))["said"] == "the payload"


def test_nothing_is_imported_from_where_the_file_lies(tmp_path: Path, host: Host) -> None:
    """Without pipelining Ansible puts the module into a folder, and Python that folder first on its path."""
    script = tmp_path / "AnsiballZ_runner.py"
    script.write_bytes(filled({"dir": str(host.folder), "request": encoded(), **made().options()}))
    (tmp_path / "json.py").write_text("raise SystemExit('planted')", "utf-8")
    ended = subprocess.run([sys.executable, str(script)], capture_output=True, check=False, env=environment())
    assert answer_of(ended)["said"] == "the payload"


def test_nothing_is_imported_from_where_the_file_lies_behind_a_link(tmp_path: Path, host: Host) -> None:
    """Python puts the folder that a link leads to on its path, and keeps the link in the name of the file."""
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    (real / "r.py").write_bytes(filled({"dir": str(host.folder), "request": encoded(), **made().options()}))
    (real / "json.py").write_text("raise SystemExit('planted')", "utf-8")
    ended = subprocess.run([sys.executable, str(link / "r.py")], capture_output=True, check=False, env=environment())
    assert answer_of(ended)["said"] == "the payload"


def test_nothing_but_the_answer_is_printed(host: Host) -> None:
    ended = run({"dir": str(host.folder), "request": encoded(), **made().options()})
    assert ended.stdout.count(b"\n") == 1
    assert b"a stray word" in ended.stderr


# (what arrives instead of the payload)
WRONG = [b"", b"not base64!", base64.b64encode(b"no gzip"), base64.b64encode(b"\x1f\x8b")]


@pytest.mark.parametrize("arrived", WRONG)
def test_what_arrives_is_run_only_if_it_is_what_was_announced(arrived: bytes, host: Host) -> None:
    options = {**made().options(), "payload": arrived.decode() or made("raise SystemExit(7)").options()["payload"]}
    told = answer_of(run({"dir": str(host.folder), "request": encoded(), **options}))
    assert told["failed"] is True
    assert "nothing was run: the payload arrived with the SHA-256" in told["msg"]
    assert host.files() == []


def test_an_announced_hash_is_never_a_path(host: Host) -> None:
    told = answer_of(run({"dir": str(host.folder), "payload_sha256": "../" * 20 + "etc/passwd"}))
    assert told["failed"] is True
    assert "expected 64 hexadecimal digits" in told["msg"]


def test_the_module_is_short_because_python_reads_it_byte_by_byte() -> None:
    assert RUNNER.stat().st_size < 16 * 1024


def test_it_imports_nothing_of_ansible_and_is_filled_in_once() -> None:
    text = RUNNER.read_text("utf-8")
    imported = [node for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {alias.name for node in imported for alias in node.names} | {getattr(n, "module", "") for n in imported}
    assert not [name for name in names if name and name.startswith("ansible")]
    assert text.count("<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>") == 1


def test_arguments_can_hold_any_quotes() -> None:
    odd = '""" \'\'\' \\ \\" \n {{ é'
    told = answer_of(run({"payload_sha256": odd}))
    assert repr(odd) in told["msg"]


def load() -> Any:
    spec = importlib.util.spec_from_file_location("runner_under_test", RUNNER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


def test_where_nobody_filled_in_the_arguments_it_shows_its_options() -> None:
    pytest.importorskip("ansible", reason="the options are shown by ansible-core")
    runner = load()
    shown = mock.Mock(side_effect=SystemExit)
    with mock.patch("ansible.module_utils.basic.AnsibleModule", shown), pytest.raises(SystemExit):
        runner.main()
    assert shown.call_args.kwargs == {"argument_spec": runner.SPEC, "supports_check_mode": True}


def test_the_documented_options_are_those_of_the_code() -> None:
    yaml = pytest.importorskip("yaml")
    page = yaml.safe_load(RUNNER.with_suffix(".yml").read_text("utf-8"))["DOCUMENTATION"]
    told = {
        name: {key: value for key, value in option.items() if key in ("type", "default", "required")}
        for name, option in page["options"].items()
    }
    spec = {
        name: {key: value for key, value in option.items() if key != "no_log"} for name, option in load().SPEC.items()
    }
    assert told == spec


def test_root_and_others_keep_it_where_the_password_database_says(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = load()
    monkeypatch.setenv("HOME", "/of/somebody/else")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sys, "platform", "linux")
    assert runner.default_folder() == "/var/cache/cryptobot-maintenance"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert runner.default_folder() == "/var/db/cryptobot-maintenance"
    monkeypatch.setattr(os, "geteuid", lambda: 1)
    monkeypatch.setattr("pwd.getpwuid", lambda _uid: mock.Mock(pw_dir="/home/daemon"))
    assert runner.default_folder() == "/home/daemon/.cache/cryptobot-maintenance"


@ROOT
def test_an_account_without_a_home_runs_it_from_memory_and_is_told_why() -> None:
    def become() -> None:
        os.setgroups([])
        os.setgid(54321)
        os.setuid(54321)

    options = {"request": encoded(), **made().options()}
    told = answer_of(run(options, "/usr/bin/python3", cwd=Path("/"), before=become))
    assert (told["said"], told["uid"]) == ("the payload", 54321)
    assert "the account with the uid 54321 is in no password database" in told["warnings"][0]


@pytest.mark.parametrize("version", FINE)
def test_the_real_payload_answers_on_each_python(version: str, host: Host) -> None:
    pytest.importorskip("ansible", reason="it is packed by the controller")
    from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.carrier.pack import payload

    packed = payload(["services"])
    params = {"checks": {}, "state_dir": str(host.folder.parent / "state"), "timeout": 60}
    asked = encoded(area="services", params=params, check_mode=True)
    options = {"dir": str(host.folder), "payload_sha256": packed.sha256, "request": asked, "_ansible_no_log": True}
    path = interpreter(version)
    first = answer_of(run({**options, "payload": packed.to_travel()}, path))
    second = answer_of(run(options, path))
    for told in (first, second):
        assert told["msg"].startswith("KeyError: 'services' at services/run.py:")  # its own: it lacks options
        assert 'File "payload/cryptobot_maintenance/services/run.py"' in told["exception"]
        assert "services = params" in told["exception"] or "params[" in told["exception"]  # with the line of its source
    assert json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
