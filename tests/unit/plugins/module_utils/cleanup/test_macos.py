# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""macOS: the two names of its folders, what the system protects by flags, and what processes have open."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup import macos
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.declared import read_rules
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.macos import (
    MACOS,
    in_use_macos,
    mac_absolute,
    parse_in_use,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError, ParseError, ToolTimeout
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import (
    NOT_DONE,
    OK,
    PLANNED,
    UNKNOWN,
    Result,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.paths import Place

from .examples import declared, parameters
from .trees import put, states

FIXTURES = Path(__file__).parents[4] / "fixtures" / "lsof-files"
NOW = 4_000_000_000.0

NAMES = [
    ("/tmp/cryptobot", "/private/tmp/cryptobot"),
    ("/var/log/cryptobot", "/private/var/log/cryptobot"),
    ("/VAR/log", "/private/VAR/log"),
    ("/private/tmp/x", "/private/tmp/x"),
    ("/System/Volumes/Data/Users/svc/logs", "/Users/svc/logs"),
    ("/system/volumes/data/opt/cryptobot/logs", "/opt/cryptobot/logs"),
    ("/System/Volumes/Data/private/tmp/x", "/private/tmp/x"),
    ("/System/Volumes/Data", "/"),
    ("/variety", "/variety"),
]


@pytest.mark.parametrize(("path", "wanted"), NAMES)
def test_a_path_is_taken_by_the_name_without_a_link_of_the_system(path: str, wanted: str) -> None:
    assert mac_absolute("path", path) == wanted


REFUSED = [
    "/System/Library/Caches",
    "/system/library/caches",  # the same folder: the file system does not tell cases apart
    "/Library/Logs",
    "/LIBRARY",
    "/System/Volumes/Data/Library/Logs",
    "/System/Volumes/Data",
    "/System/Volumes/Preboot",
    "/etc",
    "/private/etc/x",
    "/var",
    "/private/var/db/x",
    "/var/db/receipts",
    "/private/var/folders",
    "/Applications/CryptoBot.app/logs",
    "/Users",
    "/Users/alice",
    "/users/ALICE",
    "/Users/alice/Library",
    "/Users/alice/Library/Application Support",
    "/Volumes/Backup",
    "/opt/homebrew",
    "/opt/homebrew/var/postgresql@14",
    "/opt/cryptobot/caf\u00e9/logs",  # protected below in the other composition
]


@pytest.mark.parametrize("path", REFUSED)
def test_a_path_at_in_or_above_the_system_is_refused(path: str) -> None:
    with pytest.raises(InputError, match="expected"):
        read_rules([declared(path=path)], ["/opt/cryptobot/cafe\u0301"], "/opt/cryptobot", MACOS)


TAKEN = ["/opt/cryptobot/logs", "/tmp/cryptobot", "/Users/alice/Library/Logs/CryptoBot", "/Volumes/Backup/logs"]


@pytest.mark.parametrize("path", TAKEN)
def test_the_folders_of_the_application_are_taken(path: str) -> None:
    (rule,) = read_rules([declared(path=path)], [], "/opt/cryptobot", MACOS)
    assert rule.path.endswith(path)


FLAGS = [
    (0, ""),
    (0x00080000, "restricted"),
    (0x00000002, "immutable"),
    (0x00020000, "immutable"),
    (0x00000004, "appended"),
    (0x00100000, "unlinked"),
    (0x40000000, "dataless"),
    (0x00000020, ""),  # compressed: nothing against deleting it
    (0x00008000, ""),  # hidden
]


@pytest.mark.parametrize(("flags", "why"), FLAGS)
def test_what_the_system_protects_by_a_flag_must_stay(flags: int, why: str) -> None:
    reason = macos.kept(0, "a.log", SimpleNamespace(st_flags=flags))
    assert (why in reason) if why else reason == ""


LISTINGS = [
    (
        "macos-12/files-intel",
        {(0x1000004, 2), (0x1000004, 1152921500311879701), (0x1000005, 9054318), (0x1000005, 12914382)},
    ),
    (
        "macos-13/files-apple-silicon",
        {(16777232, 2), (16777232, 1152921500312524246), (16777233, 44017823), (16777233, 44017824)},
    ),
    ("macos-14/files-ended-process", {(0x100000F, 30124415)}),
    ("macos-15/files-no-device", {(0x1000012, 2), (0x1000012, 55120991)}),
]


@pytest.mark.parametrize(("name", "wanted"), LISTINGS)
def test_open_files_are_read_from_lsof(name: str, wanted: set[tuple[int, int]]) -> None:
    assert parse_in_use((FIXTURES / name).read_text()) == wanted


def test_text_that_is_no_field_is_not_read_as_one() -> None:
    with pytest.raises(ParseError, match="lsof, line 1"):
        parse_in_use((FIXTURES / "macos-15/warning-on-stdout").read_text())


UNSEEN: list[tuple[dict[str, Any], bool, str]] = [
    ({}, True, "was not found"),
    ({"lsof": ToolTimeout("lsof", 60)}, True, "the time it may take"),
    ({"lsof": ""}, True, "no open file at all"),
    ({"lsof": (2, "", "lsof: illegal option")}, True, "illegal option"),
    ({"lsof": (1, "", "lsof: can't get process info")}, True, "process info"),
    ({"lsof": (1, "p1\nf1\ntREG\nD0x1\ni5\n", "lsof: can't get process info")}, True, "process info"),
    ({"lsof": "garbage"}, True, "line 1"),
    ({"lsof": "p1\nf1\ntREG\nDzz\ni5\n"}, True, "lsof"),
    ({"lsof": "p1\nf1\ntREG\nD0x1\ni5\n"}, False, "other accounts"),
]


@pytest.mark.case("WN1")
@pytest.mark.parametrize(("commands", "admin", "why"), UNSEEN)
def test_what_lsof_does_not_tell_is_said(commands: dict[str, Any], admin: bool, why: str) -> None:
    assert why in in_use_macos(FakeHost("darwin", commands=commands, admin=admin)).unseen


def test_a_process_that_ends_meanwhile_does_not_hide_the_rest() -> None:
    host = FakeHost("darwin", commands={"lsof": (1, (FIXTURES / "macos-12/files-intel").read_text(), "")})
    assert (0x1000005, 12914382) in in_use_macos(host).identities


def clean(tmp_path: Path, listing: str, **changes: Any) -> Result:
    options = parameters(declared(path=str(tmp_path / "logs"), **changes), state_dir=str(tmp_path / "state"))
    return run(options, FakeHost("darwin", commands={"lsof": listing}, now=NOW), True)


def physical(descriptor: int) -> Place:
    """What F_GETPATH_NOFIRMLINK tells on macOS, which this system does not know."""
    return Place(str(os.fstat(descriptor).st_dev), macos.mac_key(os.readlink(f"/proc/self/fd/{descriptor}")))


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An old log, in a folder that has one name only, on a system that tells it."""
    monkeypatch.setattr(macos, "_place", physical)
    monkeypatch.setattr(f"{mac_absolute.__module__}.IN_PRIVATE", ())
    return put(tmp_path / "logs" / "a.log.1")


def test_a_run_plans_the_same_and_spares_what_lsof_shows(tmp_path: Path, logs: Path) -> None:
    assert states(clean(tmp_path, "p1\nf1\ntREG\nD0x1\ni5\n")) == {"a.log.1": PLANNED}
    status = logs.stat()
    listing = f"p1\nf1\ntREG\nD{status.st_dev:#x}\ni{status.st_ino}\n"
    assert states(clean(tmp_path, listing)) == {"a.log.1": NOT_DONE}


def test_without_lsof_a_rule_without_an_age_does_nothing(tmp_path: Path, logs: Path) -> None:
    result = clean(tmp_path, "", age=None)
    found = {finding.check: finding.status for finding in result.findings}
    assert (found["cleanup.in_use"], found["cleanup.rule"], result.actions) == (UNKNOWN, UNKNOWN, [])


def test_a_file_with_a_protecting_flag_stays_and_a_protected_folder_is_not_entered(
    tmp_path: Path, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = put(tmp_path / "logs" / "sip" / "b.log.1")
    flags = {logs.stat().st_ino: 0x2, inner.parent.stat().st_ino: 0x80000}
    monkeypatch.setattr(macos.os, "stat", lambda *a, **k: flagged(os_stat(*a, **k), flags))
    result = clean(tmp_path, "p1\nf1\ntREG\nD0x1\ni5\n", recurse=True)
    assert states(result) == {"a.log.1": NOT_DONE}
    told = " ".join(finding.message for finding in result.findings if finding.check == "cleanup.guard")
    assert "was not entered: the system protects it (restricted)" in told
    assert next(f.status for f in result.findings if f.check == "cleanup.rule") == OK


@pytest.mark.case("CL1")
def test_a_folder_that_a_firmlink_leads_to_protected_data_is_not_entered(
    tmp_path: Path, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = put(tmp_path / "Keep" / "sub" / "a.log.1")

    def linked(descriptor: int) -> Place:  # logs is a firmlink to Keep/sub, as /Users is to /System/Volumes/Data/Users
        place = physical(descriptor)
        return place._replace(path=place.path.replace("/logs", "/keep/sub"))

    monkeypatch.setattr(macos, "_place", linked)
    options = parameters(declared(path=str(logs.parent)), protected=[str(kept.parents[1])], state_dir=str(tmp_path))
    result = run({**options, "state_dir": str(tmp_path / "state")}, FakeHost("darwin", now=NOW), True)
    assert result.actions == []
    (told,) = [found.message for found in result.findings if found.check == "cleanup.rule"]
    assert f"is the data of {kept.parents[1]}, which is protected" in told


@pytest.mark.case("CL1")
def test_a_system_that_does_not_tell_where_a_folder_is_has_it_left_alone(logs: Path) -> None:
    result = clean(logs.parents[1], "p1\nf1\ntREG\nD0x1\ni5\n")
    assert states(result) == {"a.log.1": PLANNED}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(macos, "_place", lambda _descriptor: os.readlink("/nowhere"))
        result = clean(logs.parents[1], "p1\nf1\ntREG\nD0x1\ni5\n")
    assert result.actions == []


os_stat = os.stat


def flagged(status: os.stat_result, flags: dict[int, int]) -> Any:
    names = [name for name in dir(status) if name.startswith("st_")]
    shown = {name: getattr(status, name) for name in names}
    return SimpleNamespace(**{**shown, "st_flags": flags.get(status.st_ino, 0)})
