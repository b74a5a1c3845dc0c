# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection as users get it: a tarball, installed without a network, and a checkout in some other folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
PLAYBOOKS = sorted(path.stem for path in (CHECKOUT / "playbooks").glob("*.yml"))


def run(program: str, *arguments: str | Path, cwd: Path, **variables: str) -> str:
    """Run a program of this Python's environment, without this checkout's settings; return what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    ended = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments],
        cwd=cwd,
        env={**environment, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOME": str(cwd / "ansible-home"), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, f"{program} ended with {ended.returncode}: {ended.stdout}{ended.stderr}"
    return ended.stdout


def known_to_git() -> set[str]:
    """Return the files of the work tree that git knows or would know; the link to itself is one of them."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.split("\0")
    return {name for name in names if name and (CHECKOUT / name).exists()}


@pytest.fixture(scope="session")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    run("ansible-galaxy", "collection", "build", CHECKOUT, "--output-path", folder, cwd=folder)
    return next(folder.glob("*.tar.gz"))


@pytest.fixture(scope="session")
def installed(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for ANSIBLE_COLLECTIONS_PATH that holds the collection and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    run("ansible-galaxy", "collection", "install", tarball, "--offline", "-p", folder, cwd=folder)
    return folder


@pytest.fixture(scope="session")
def other_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone in a folder of another name holds."""
    folder = tmp_path_factory.mktemp("somewhere") / "else"
    for name in known_to_git():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / name, folder / name, follow_symlinks=False)
    return folder
