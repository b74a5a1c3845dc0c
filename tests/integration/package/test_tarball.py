# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
import yaml

from .conftest import CHECKOUT, PLAYBOOKS, known_to_git, run

# What a user needs of a checkout; everything else, known to git or not, stays out.
SHIPPED_FILES = {"CHANGELOG.rst", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md"}
SHIPPED_FOLDERS = {"changelogs", "docs", "inventories", "meta", "playbooks", "plugins", "roles"}
NOT_SHIPPED = ("inventories/demo/",)  # it drives tests/demo
MADE_BY_THE_BUILD = {"FILES.json", "MANIFEST.json"}


def shipped(tarball: Path) -> set[str]:
    with tarfile.open(tarball) as archive:
        return {member.name for member in archive if not member.isdir()}


def test_the_tarball_holds_what_users_need_and_nothing_else(tarball):
    expected = {
        name
        for name in known_to_git()
        if (name in SHIPPED_FILES or name.split("/")[0] in SHIPPED_FOLDERS) and not name.startswith(NOT_SHIPPED)
    }

    assert expected, "git lists no file"
    assert shipped(tarball) - MADE_BY_THE_BUILD == expected


def test_nothing_of_development_is_shipped(tarball):
    hidden_or_made = [
        name
        for name in shipped(tarball)
        if name.startswith(".") or "/." in name or name.split("/")[0] in {"tests", "scripts", "requirements", "build"}
    ]

    assert hidden_or_made == []


def test_no_link_is_shipped(tarball):
    with tarfile.open(tarball) as archive:
        assert [member.name for member in archive if member.issym() or member.islnk()] == []


def test_the_execution_environment_names_files_that_are_shipped(tarball):
    environment = yaml.safe_load((CHECKOUT / "meta/execution-environment.yml").read_text(encoding="utf-8"))

    assert set(environment["dependencies"].values()) <= shipped(tarball)


def test_the_installed_collection_is_what_was_built(installed):
    said = run(
        "ansible-galaxy",
        "collection",
        "verify",
        "--offline",
        "cryptobot.maintenance",
        cwd=installed,
        ANSIBLE_COLLECTIONS_PATH=str(installed),
    )

    assert "Successfully verified that checksums for 'cryptobot.maintenance" in said


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_playbook_runs_by_its_full_name(installed, tmp_path, playbook):
    said = run(
        "ansible-playbook",
        "--syntax-check",
        "-i",
        "localhost,",
        f"cryptobot.maintenance.{playbook}",
        cwd=tmp_path,
        ANSIBLE_COLLECTIONS_PATH=str(installed),
    )

    assert f"playbook: {installed}/ansible_collections/cryptobot/maintenance/playbooks/{playbook}.yml" in said


def test_every_module_is_documented_by_its_full_name(installed, tmp_path):
    said = run(
        "ansible-doc",
        "--json",
        "--list",
        "cryptobot.maintenance",
        cwd=tmp_path,
        ANSIBLE_COLLECTIONS_PATH=str(installed),
    )
    sources = {path.stem for path in (CHECKOUT / "plugins/modules").glob("*.py")}

    assert sources, "no module was found"
    assert set(json.loads(said)) == {f"cryptobot.maintenance.{name}" for name in sources}
