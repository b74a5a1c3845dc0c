# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet is stale when the process for which it exists is gone, and only then."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fleet import owner, paths
from fleet.errors import FleetError


def test_a_fleet_of_a_running_process_is_in_use():
    owner.write("lab", os.getpid())
    assert not owner.is_stale(owner.read("lab"))


def test_a_fleet_of_a_process_that_ended_is_stale():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        owner.write("lab", process.pid)
        assert not owner.is_stale(owner.read("lab"))
    assert owner.is_stale(owner.read("lab"))


def test_a_fleet_of_a_process_that_ended_and_was_not_waited_for_is_stale():
    with subprocess.Popen(["sleep", "60"]) as process:
        owner.write("lab", process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it ended, and stays in the process table
        assert owner.is_stale(owner.read("lab"))


def test_a_fleet_of_a_process_that_was_gone_before_the_fleet_was_up_is_stale():
    with subprocess.Popen(["true"]) as process:
        process.wait()
    owner.write("lab", process.pid)
    assert owner.is_stale(owner.read("lab"))


def test_a_later_process_of_the_same_number_is_not_the_owner():
    owner.write("lab", os.getpid())
    known = owner.read("lab")
    assert owner.is_stale(replace(known, started=known.started - 1))


def test_a_fleet_from_before_the_machine_started_anew_is_stale():
    owner.write("lab", owner.NOBODY)
    assert owner.is_stale(replace(owner.read("lab"), boot="another"))


def test_a_fleet_without_an_owner_is_kept():
    owner.write("lab", owner.NOBODY)
    assert not owner.is_stale(owner.read("lab"))


@pytest.mark.parametrize("text", [None, "", "{", "{}", '{"pid": 1, "color": "red"}'])
def test_a_fleet_without_a_readable_record_was_never_finished(text):
    folder = paths.runtime("lab")
    folder.mkdir(parents=True)
    if text is not None:
        (folder / "owner.json").write_text(text)
    assert owner.is_stale(owner.read("lab"))


def test_the_record_leads_to_the_files_whatever_the_cache_of_the_next_run_is(monkeypatch, tmp_path):
    owner.write("lab", owner.NOBODY)
    monkeypatch.setenv(paths.CACHE_VARIABLE, str(tmp_path / "another"))
    assert owner.read("lab").state == str(tmp_path / "cache" / "state" / "lab")


def test_an_owner_is_nobody_or_a_process():
    assert owner.pid_of("none") == owner.NOBODY
    assert owner.pid_of(str(os.getpid())) == os.getpid()


def test_an_owner_is_the_nearest_ancestor_that_runs_a_program(tmp_path):
    script = tmp_path / "night-run"
    script.write_text('#!/bin/sh\n"$@"\n:\n')  # the last line keeps the shell from becoming the command
    script.chmod(0o755)
    ask = "import sys; sys.path.insert(0, sys.argv[1]); from fleet import owner; print(owner.pid_of('night-run'))"
    argv = [script, sys.executable, "-c", ask, Path(owner.__file__).parents[1]]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout.read() == f"{running.pid}\n"


@pytest.mark.parametrize(("given", "message"), [("4194305", "no such process"), ("no-such-program", "neither")])
def test_an_owner_that_is_not_there_is_refused(given, message):
    with pytest.raises(FleetError, match=f"owner '?{given}'?: .*{message}"):
        owner.pid_of(given)
