# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A machine that cannot run fleets is told why in one line; the exit code tells it from a failure."""

from __future__ import annotations

import os
import sys

import pytest
from fleet import check, cli, handle
from fleet.errors import CannotRun, FleetError


def refuse() -> None:
    raise CannotRun("this is a toaster")


def run_check(monkeypatch, *conditions) -> int:
    monkeypatch.setattr(check, "CONDITIONS", conditions)
    return cli.main(["check"])


def test_check_says_the_reason_and_exits_3(monkeypatch, capsys):
    assert run_check(monkeypatch, refuse) == 3
    assert capsys.readouterr().err == "fleet: this is a toaster\n"


def test_check_exits_0_where_every_condition_holds(monkeypatch, capsys, tmp_path):
    assert run_check(monkeypatch) == 0
    assert str(tmp_path / "cache") in capsys.readouterr().out


def test_the_reason_is_there_for_a_test_run_to_skip_with(monkeypatch):
    monkeypatch.setattr(check, "CONDITIONS", (refuse,))
    assert check.reason() == "this is a toaster"
    monkeypatch.setattr(check, "CONDITIONS", ())
    assert check.reason() == ""


def test_what_fails_for_another_reason_exits_1(capsys):
    assert cli.main(["stop", "--name", "nobody", "app1"]) == 1
    assert capsys.readouterr().err.startswith("fleet: fleet 'nobody' is not up")


def test_other_systems_are_refused_by_name(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(CannotRun, match="need Linux, this is darwin"):
        check.require()


def test_who_is_not_root_is_refused(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(CannotRun, match="need root, this is user id 1000"):
        check._root()


def test_missing_tools_are_named_with_what_installs_them(monkeypatch, tmp_path):
    for tool in set(check.TOOLS) - {"debootstrap", "ssh", "ssh-keygen"}:
        _program(tmp_path / tool)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotRun, match=r"^missing debootstrap, ssh, ssh-keygen: .* debootstrap openssh-client$"):
        check._tools()


def test_every_tool_s_package_is_in_the_list_that_gets_installed():
    requirements = (handle.CHECKOUT / "tests/fleet/requirements-debian.txt").read_text().splitlines()
    assert set(check.TOOLS.values()) <= {line for line in requirements if not line.startswith("#")}


@pytest.mark.parametrize(("says", "good"), [("OpenBSD netcat (Debian)", True), ("[v1.10-47] netcat", False)])
def test_only_openbsd_s_netcat_will_do(monkeypatch, tmp_path, says, good):
    _program(tmp_path / "nc", f"echo '{says}' >&2")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    if good:
        check._netcat()
    else:
        with pytest.raises(CannotRun, match="apt-get install netcat-openbsd"):
            check._netcat()


def test_ansible_beside_the_running_python_comes_before_path(monkeypatch, tmp_path):
    for folder in ("venv", "elsewhere"):
        (tmp_path / folder).mkdir()
        _program(tmp_path / folder / "ansible-playbook")
    monkeypatch.setenv("PATH", str(tmp_path / "elsewhere"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare/python"))
    assert handle.executable("ansible-playbook") == str(tmp_path / "elsewhere/ansible-playbook")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv/python"))
    assert handle.executable("ansible-playbook") == str(tmp_path / "venv/ansible-playbook")
    with pytest.raises(FleetError, match="no-such-program is neither beside"):
        handle.executable("no-such-program")


def _program(file, body: str = "true") -> None:
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
