# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

INSTALL = Path(__file__).resolve().parents[3] / "scripts/debian/install.sh"

# Programs that stand first on PATH and write down how they were called. DPKG knows the packages in $INSTALLED.
DPKG_QUERY = """#!/bin/sh
for package in $INSTALLED; do [ "$package" = "$3" ] && { echo installed; exit 0; }; done
exit 1
"""
APT = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
[ "$1" = show ] && exit "${UNKNOWN_TO_APT:-0}"
exit 0
"""


@pytest.fixture
def install(tmp_path):
    """Run install.sh as a user with these packages installed; return the process and what apt was told."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {"dpkg-query": DPKG_QUERY, "apt-get": APT, "apt-cache": APT}.items():
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)

    def run(*arguments: str, installed: str = "", user: int = 0, **variables: str):
        (programs / "id").write_text(f"#!/bin/sh\necho {user}\n", encoding="utf-8")
        (programs / "id").chmod(0o755)
        calls = tmp_path / "calls"
        calls.write_text("", encoding="utf-8")
        environment = {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "INSTALLED": installed,
            "CALLS": str(calls),
            "POLICY": str(tmp_path / "policy-rc.d"),
            **variables,
        }
        ended = subprocess.run([INSTALL, *arguments], env=environment, capture_output=True, text=True, check=False)
        return ended, calls.read_text(encoding="utf-8").splitlines()

    return run


def test_nothing_is_asked_of_apt_when_everything_is_installed(install):
    ended, calls = install("zstd", "chromium", installed="chromium zstd")

    assert (ended.returncode, calls) == (0, [])


def test_only_what_is_missing_is_installed(install):
    ended, calls = install("zstd", "chromium", installed="zstd")

    assert ended.returncode == 0
    assert [call.split()[-1] for call in calls if call.startswith("apt-get install")] == ["chromium"]


def test_package_lists_are_fetched_only_where_they_are_missing(install):
    _known_ended, known = install("chromium")
    _unknown_ended, unknown = install("chromium", UNKNOWN_TO_APT="1")

    assert not any(call.startswith("apt-get update") for call in known)
    assert any(call.startswith("apt-get update") for call in unknown)


def test_whoever_is_not_root_is_told_the_command(install):
    ended, calls = install("zstd", "chromium", installed="zstd", user=1000)

    assert ended.returncode == 1
    assert ended.stdout == "missing Debian packages; run as root: apt-get install chromium\n"
    assert calls == []


def test_a_file_lists_packages_one_a_line_with_comments(install, tmp_path):
    listing = tmp_path / "debian.txt"
    listing.write_text("# browsers\nchromium  # for the report\n\nzstd\n", encoding="utf-8")

    ended, _calls = install(str(listing), user=1000)

    assert ended.stdout.endswith("apt-get install chromium zstd\n")


def test_no_service_is_started_by_a_package_and_the_rule_is_gone_afterwards(install, tmp_path):
    policy = tmp_path / "policy-rc.d"
    spy = tmp_path / "bin" / "apt-get"
    spy.write_text('#!/bin/sh\n"$POLICY"; echo "$?" >> "$CALLS"\n', encoding="utf-8")

    ended, calls = install("postgresql")

    assert ended.returncode == 0
    assert calls[-1] == "101"  # policy-rc.d's "action forbidden"
    assert not policy.exists()
