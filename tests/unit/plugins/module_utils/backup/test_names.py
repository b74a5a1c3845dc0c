# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and paths as text: what Windows makes of them, and what no archive of ours holds."""

from __future__ import annotations

import ntpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.names import (
    declared_refusal,
    extended,
    is_device,
    is_windows_name,
    matched,
    member_name,
    member_refusal,
    shown,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError

from .examples import files, settings, sqlite

LONG = "C:\\" + "\\".join(["x" * 200] * 5)

FORMS = [  # as people write it, as the system is asked, as the archive names it
    ("C:\\CryptoBot\\data", "\\\\?\\C:\\CryptoBot\\data", "C/CryptoBot/data"),
    ("c:\\", "\\\\?\\c:\\", "C"),
    ('D:\\it\'s "here" $(x)', '\\\\?\\D:\\it\'s "here" $(x)', 'D/it\'s "here" $(x)'),
    ("\\\\nas\\backup\\bots", "\\\\?\\UNC\\nas\\backup\\bots", "UNC/nas/backup/bots"),
    ("C:\\Größe\\漢字", "\\\\?\\C:\\Größe\\漢字", "C/Größe/漢字"),
    (LONG, "\\\\?\\" + LONG, LONG.replace("C:\\", "C/").replace("\\", "/")),
]


@pytest.mark.parametrize(("plain", "long", "member"), FORMS)
def test_a_path_has_one_form_for_the_system_one_for_people_and_one_for_the_archive(plain, long, member):
    assert (extended(plain), extended(long)) == (long, long)
    assert (shown(long), shown(plain)) == (plain, plain)
    assert member_name(plain) == member_name(long) == member


def test_a_path_of_another_shape_stays_as_it_is():
    for path in ("/tmp/x", "relative", "C:relative", "\\\\.\\C:"):
        assert extended(path) == path


@given(st.lists(st.text("abcÄß .$'(", min_size=1).map(str.strip).filter(bool), min_size=1, max_size=6))
def test_no_two_paths_of_a_drive_have_one_member_name(parts):
    path = ntpath.join("C:\\", *parts)
    name = member_name(extended(path))
    assert name == "C/" + "/".join(parts)
    assert shown(extended(path)) == path


def test_patterns_and_names_meet_whatever_their_case_and_slashes():
    assert matched("Logs\\Trade.LOG") == matched("logs/trade.log")


DEVICES = ["nul", "NUL.txt", "Con", "aux.tar.gz", "com1", "COM¹", "lpt9.log", "conin$", "prn "]
FILES = ["null", "console", "com10", "auxiliary", "config", "nul_", ".nul", "trade.con"]


def test_a_device_is_one_whatever_its_extension_and_case():
    assert [name for name in DEVICES if not is_device(name)] == []
    assert [name for name in FILES if is_device(name)] == []
    assert [
        name for name in ["a.", "a ", "a:b", "a*", "a|b", "a\\b", "tab\t", 'q"', *DEVICES] if is_windows_name(name)
    ] == []
    assert [name for name in FILES if not is_windows_name(name)] == []


REFUSED = [  # a member's name, and the systems whose sets cannot hold it
    ("/etc/passwd", {"linux", "darwin", "windows"}),
    ("", {"linux", "darwin", "windows"}),
    ("../x", {"linux", "darwin", "windows"}),
    ("a/../../x", {"linux", "darwin", "windows"}),
    ("a//b", {"linux", "darwin", "windows"}),
    ("a/./b", {"linux", "darwin", "windows"}),
    ("a\0b", {"linux", "darwin", "windows"}),
    ("C:x", {"windows"}),
    ("C:/x", {"windows"}),
    ("C/a:stream", {"windows"}),
    ("C\\..\\x", {"windows"}),
    ("\\\\server\\share", {"windows"}),
    ("C/nul", {"windows"}),
    ("C/sub/CON.txt/x", {"windows"}),
    ("C/trailing.", {"windows"}),
    ("C/CryptoBot/.env", set()),
    ("UNC/nas/backup/x y", set()),
    ("opt/aux.py", {"windows"}),
    ("Users/u/Gro\u0308ße", set()),
]


@pytest.mark.parametrize(("name", "systems"), REFUSED)
def test_a_member_that_would_lie_elsewhere_is_refused(name, systems):
    assert {system for system in ("linux", "darwin", "windows") if member_refusal(name, system)} == systems


@given(st.text(), st.sampled_from(["linux", "darwin", "windows", ""]))
def test_no_name_that_is_let_through_leads_out_of_a_folder(name, system):
    if not member_refusal(name, system):
        assert not name.startswith("/")
        assert ".." not in name.split("/")
        if system == "windows":
            assert ntpath.normpath(ntpath.join("C:\\restore", name)).startswith("C:\\restore\\")


DECLARED = [
    ("C:x", "what folder a drive"),
    ("C:", "what folder a drive"),
    ("\\\\.\\PhysicalDrive0", "form for devices"),
    ("\\\\?\\C:\\x", "form for devices"),
    ("//./pipe/x", "form for devices"),
    ("C:\\data\\nul", "names a device"),
    ("C:/data/con.txt", "names a device"),
    ("C:\\data\\file:stream", "colon in the middle"),
]


@pytest.mark.parametrize(("path", "why"), DECLARED)
def test_a_declared_path_of_windows_that_names_no_file_is_an_error_there(path, why):
    assert why in declared_refusal(path)
    with pytest.raises(InputError, match=r"sources\[0\].path is"):
        settings(platform="windows", sources=[files("config", path)])
    with pytest.raises(InputError, match=r"sources\[1\].path is"):
        settings(platform="windows", sources=[files("config", "C:\\ok"), sqlite("main", path)])
    settings(platform="linux", sources=[files("config", f"/{path}")])


@pytest.mark.parametrize("path", ["C:\\CryptoBot", "C:/CryptoBot", "\\\\nas\\backup\\x", "D:\\Größe\\a b"])
def test_an_ordinary_path_of_windows_is_none(path):
    assert declared_refusal(path) == ""


@pytest.mark.parametrize("name", ["con", "Aux", "NUL", "com1"])
def test_a_source_is_not_called_like_a_device_because_its_folder_is(name):
    with pytest.raises(InputError, match="no device"):
        settings(sources=[files(name, "/etc")])


def test_two_sources_whose_folders_would_be_one_are_an_error():
    with pytest.raises(InputError, match="whatever its case"):
        settings(sources=[files("Main", "/a"), files("main", "/b")])
