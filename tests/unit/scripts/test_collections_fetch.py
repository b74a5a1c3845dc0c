# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import zipfile

import pytest

# full name -> version and what it depends on
IN_THE_WHEEL = {
    "community.postgresql": ("4.2.0", {"community.library_inventory": "*"}),
    "community.library_inventory": ("1.0.0", {}),
    "ansible.posix": ("2.1.0", {}),
}


@pytest.fixture
def fetch(load, tmp_path, monkeypatch):
    """The program, with a small wheel in place of the one that pip downloads."""
    program = load("collections/fetch")
    wheel = tmp_path / "ansible-1.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, (version, dependencies) in IN_THE_WHEEL.items():
            folder = f"ansible_collections/{name.replace('.', '/')}"
            info = {"collection_info": {"version": version, "dependencies": dependencies}}
            archive.writestr(f"{folder}/MANIFEST.json", json.dumps(info))
            archive.writestr(f"{folder}/plugins/modules/a.py", "")
            archive.writestr(f"{folder}/tests/unit/test_a.py", "")
    monkeypatch.setattr(program, "download", lambda _scratch: wheel)
    return program


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_what_is_wanted_is_there_with_its_dependencies_and_without_its_tests(fetch, tmp_path):
    fetch.fetch({"community.postgresql": "4.2.0"}, tmp_path / "found")

    there = "ansible_collections/community"
    assert files(tmp_path / "found") == {
        f"{there}/postgresql/MANIFEST.json",
        f"{there}/postgresql/plugins/modules/a.py",
        f"{there}/library_inventory/MANIFEST.json",
        f"{there}/library_inventory/plugins/modules/a.py",
    }


def test_a_wheel_with_another_version_leaves_the_folder_as_it_was(fetch, tmp_path):
    fetch.fetch({"ansible.posix": "2.1.0"}, tmp_path / "found")
    before = files(tmp_path / "found")

    with pytest.raises(fetch.FetchError, match=r"disagree: the wheel holds community.postgresql 4.2.0"):
        fetch.fetch({"community.postgresql": "9.9.9"}, tmp_path / "found")

    assert files(tmp_path / "found") == before


def test_a_collection_that_the_wheel_lacks_is_named(fetch, tmp_path):
    with pytest.raises(fetch.FetchError, match=r"awx.awx is not in ansible-1.whl"):
        fetch.fetch({"awx.awx": "24.6.1"}, tmp_path / "found")

    assert [path.name for path in tmp_path.iterdir()] == ["ansible-1.whl"]


def test_what_is_there_already_is_not_fetched_again(fetch, tmp_path):
    wanted = {"ansible.posix": "2.1.0"}
    assert not fetch.is_there(wanted, tmp_path / "found")

    fetch.fetch(wanted, tmp_path / "found")

    assert fetch.is_there(wanted, tmp_path / "found")
    assert not fetch.is_there({"ansible.posix": "2.1.1"}, tmp_path / "found")
