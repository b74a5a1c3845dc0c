# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from .conftest import PLAYBOOKS, run

LINK = ".collections/ansible_collections/cryptobot/maintenance"


def test_the_checkout_finds_itself_through_a_link_that_works_anywhere(other_checkout):
    link = other_checkout / LINK

    assert link.is_symlink()
    assert not link.readlink().is_absolute()
    assert link.resolve() == other_checkout.resolve()


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_playbook_of_a_checkout_finds_the_collection(other_checkout, playbook):
    path = f"playbooks/{playbook}.yml"

    said = run("ansible-playbook", "--syntax-check", "-i", "inventories/demo", path, cwd=other_checkout)

    assert f"playbook: {path}" in said


def test_the_modules_of_a_checkout_are_its_own(other_checkout):
    said = run("ansible-doc", "--list_files", "cryptobot.maintenance", cwd=other_checkout)
    files = [line.split()[1] for line in said.splitlines()]

    assert files, "no module was found"
    assert all(str(other_checkout) in file for file in files), files


def test_a_checkouts_settings_are_in_force(other_checkout):
    said = run("ansible-config", "dump", "--only-changed", cwd=other_checkout)

    assert f"ANSIBLE_PIPELINING({other_checkout}/ansible.cfg) = True" in said
    assert f"DEFAULT_HOST_LIST({other_checkout}/ansible.cfg) = ['{other_checkout}/inventories/demo']" in said
    assert f"HOST_KEY_CHECKING({other_checkout}/ansible.cfg) = True" in said
