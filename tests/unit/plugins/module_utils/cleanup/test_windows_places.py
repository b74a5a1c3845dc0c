# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paths of Windows: whatever hides where a path ends, or ends at the system, is refused."""

from __future__ import annotations

import ntpath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.declared import read_options, read_rules
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.places import full_path, on_drives
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.windows import (
    WINDOWS,
    windows_absolute,
    windows_key,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.windows_system import extended
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError

from .examples import declared, parameters

PROTECTED = [r"D:\Backups", "C:/CryptoBot/data/cryptobot.db", "/srv/backups"]


def read(path: str) -> str:
    (rule,) = read_rules([declared(path=path)], PROTECTED, r"C:\CryptoBot", WINDOWS)
    return rule.path


TAKEN = [
    (r"C:\CryptoBot\logs", r"C:\CryptoBot\logs"),
    ("c:/CryptoBot/logs/", r"C:\CryptoBot\logs"),
    (r"c:\\CryptoBot\.\logs\\", r"C:\CryptoBot\logs"),
    (r"\\?\C:\CryptoBot\logs", r"C:\CryptoBot\logs"),
    (r"E:\logs", r"E:\logs"),
    (r"C:\ProgramData\cryptobot\logs", r"C:\ProgramData\cryptobot\logs"),
    (r"C:\Users\svc\AppData\Local\Temp", r"C:\Users\svc\AppData\Local\Temp"),
    (r"C:\WindowsLogs", r"C:\WindowsLogs"),
    (r"C:\Логи\журнал", r"C:\Логи\журнал"),
    ("C:\\" + "\\".join(["a" * 60] * 6), "C:\\" + "\\".join(["a" * 60] * 6)),
]


@pytest.mark.parametrize(("path", "wanted"), TAKEN)
def test_a_plain_path_is_taken_in_either_writing(path: str, wanted: str) -> None:
    assert read(path) == wanted


REFUSED = [
    ("logs", "on a drive"),
    (r"C:logs", "on a drive"),
    (r"\logs", "with its drive"),
    ("/logs", "with its drive"),
    ("", "on a drive"),
    (r"\\server\share\logs", "on a drive"),
    ("//server/share/logs", "on a drive"),
    (r"\\.\C:\CryptoBot\logs", "on a drive"),
    (r"\\?\GLOBALROOT\Device\HarddiskVolume1\logs", "on a drive"),
    (r"\\?\UNC\server\share", "on a drive"),
    (r"\\?\Volume{b75e2c83-0000-0000-0000-602f00000000}\logs", "on a drive"),
    (r"C:\CryptoBot\logs\..\..", "without '..'"),
    ("C:/CryptoBot/../Windows", "without '..'"),
    ("C:\\logs\0", "without '..'"),
    (r"C:\logs:stream", "streams"),
    (r"C:\logs\*", "wildcards"),
    (r"C:\CryptoBot\logs.", "as it is written"),
    ("C:\\CryptoBot\\logs ", "as it is written"),
    (r"C:\CryptoBot\NUL", "as it is written"),
    (r"C:\CryptoBot\com1.log", "as it is written"),
    (r"C:\PROGRA~1\nssm", "8.3"),
    (r"C:\CryptoBot\LOGFIL~2.LOG", "8.3"),
    ("C:\\", "protected"),
    ("C:/", "protected"),
    (r"D:\\", "protected"),
    (r"C:\Windows", r"\\Windows"),
    (r"c:\wINDOWS\Temp", r"\\Windows"),
    ("d:/windows/system32", r"\\Windows"),
    (r"C:\Program Files\Cryptobot\logs", r"\\Program Files"),
    (r"C:\Program Files (x86)", "x86"),
    (r"C:\$Recycle.Bin", "Recycle"),
    (r"C:\System Volume Information\x", "System Volume"),
    (r"C:\ProgramData", "protected"),
    (r"C:\ProgramData\Microsoft\Windows", r"\\ProgramData\\Microsoft"),
    (r"C:\Users", "protected"),
    (r"C:\Users\svc", "within a home"),
    (r"C:\Users\SVC\AppData", "within a home"),
    (r"C:\users\svc\appdata\LOCAL", "within a home"),
    (r"C:\Users\Default\x", r"\\Users\\Default"),
    (r"C:\CryptoBot", "above"),
    (r"c:\CRYPTOBOT", "above"),
    (r"D:\Backups\daily", r"D:\\Backups"),
    (r"d:\BACKUPS", r"D:\\Backups"),
    (r"C:\CryptoBot\data", r"cryptobot.db"),
    (r"C:\srv\backups\daily", r"\\srv\\backups"),
]


@pytest.mark.parametrize(("path", "why"), REFUSED)
def test_a_path_that_could_lead_to_the_system_is_refused(path: str, why: str) -> None:
    with pytest.raises(InputError, match=why.replace("(", r"\(")):
        read(path)


WORDS = st.text(st.sampled_from("abcXYZ09 ._-~$é"), min_size=1, max_size=9)


@given(st.lists(WORDS, min_size=1, max_size=5), st.sampled_from(["\\", "/"]))
def test_what_is_taken_is_what_windows_itself_makes_of_it(parts: list[str], slash: str) -> None:
    path = slash.join(["C:", *parts])
    try:
        taken = windows_absolute("path", path)
    except InputError:
        return
    assert ntpath.normpath(path).lower() == taken.lower()
    assert windows_absolute("path", taken) == taken
    assert windows_absolute("path", extended(taken)) == taken


@given(st.text(max_size=40))
def test_any_text_is_taken_or_refused_by_name(text: str) -> None:
    try:
        taken = windows_absolute("path", text)
    except InputError:
        return
    assert ntpath.isabs(taken)
    assert taken[1] == ":"


def test_two_spellings_of_one_path_are_the_same() -> None:
    assert windows_key(r"C:\Logs\A.log") == windows_key("c:/logs/a.LOG")


def test_places_without_a_drive_are_sealed_on_every_drive_that_a_rule_names() -> None:
    assert on_drives([r"\Windows", r"D:\x"], [r"C:\a", r"E:\b"]) == [r"C:\Windows", r"E:\Windows", r"D:\x"]


def test_names_are_joined_as_the_platform_does() -> None:
    assert full_path(r"C:\logs", ("a", "b.log")) == r"C:\logs\a\b.log"
    assert full_path("C:\\", ("a",)) == r"C:\a"
    assert full_path("/logs", ("a",)) == "/logs/a"
    assert full_path("/", ()) == "/"


def test_a_state_dir_without_a_drive_is_protected_on_every_drive() -> None:
    options: dict[str, Any] = parameters(declared(path=r"C:\state\logs"), state_dir="/state")
    with pytest.raises(InputError, match="protected"):
        read_options(options, WINDOWS)
