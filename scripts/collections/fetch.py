# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Have the collections of requirements/collections.yml in the tests' cache, taken out of the `ansible` wheel.

The wheel of `ansible` on PyPI holds some hundred collections; only those named, and what they depend on, are taken.
Prints the folder to put on ANSIBLE_COLLECTIONS_PATH. What is there already is not fetched again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import yaml

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements"
Wanted = dict[str, str]  # full name of a collection -> version


class FetchError(Exception):
    """The collections cannot be had; the message names what and why."""


def main() -> int:
    """Fetch what is missing; return 1 after one line that says why it could not be had."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=default_folder(), help="the folder (default: %(default)s)")
    folder = parser.parse_args().into
    wanted = read_wanted(REQUIREMENTS / "collections.yml")
    try:
        if not is_there(wanted, folder):
            fetch(wanted, folder)
    except (FetchError, OSError) as error:
        print(f"collections: {error}", file=sys.stderr)
        return 1
    print(folder)
    return 0


def default_folder() -> Path:
    """Return the folder in the tests' cache, outside of the checkout."""
    cache = os.environ.get("CRYPTOBOT_TEST_CACHE")
    return (Path(cache) if cache else Path.home() / ".cache" / "cryptobot-maintenance") / "collections"


def read_wanted(path: Path) -> Wanted:
    """Given a requirements file in ansible-galaxy's format, return the version of each collection that it names."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))["collections"]
    return {entry["name"]: entry["version"] for entry in entries}


def is_there(wanted: Wanted, folder: Path) -> bool:
    """Given what is wanted and a folder, return whether all of it is there in the wanted versions."""
    return all(installed_version(name, folder) == version for name, version in wanted.items())


def installed_version(name: str, folder: Path) -> str | None:
    """Given a collection's full name and a folder, return the version that is there, or None."""
    manifest = folder / "ansible_collections" / Path(*name.split(".")) / "MANIFEST.json"
    try:
        return json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"]
    except FileNotFoundError:
        return None


def fetch(wanted: Wanted, folder: Path) -> None:
    """Given what is wanted, have it in the folder, which is replaced as a whole or left as it was."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="collections-") as scratch:
        fresh = Path(scratch) / "fresh"
        extract(download(Path(scratch)), wanted, fresh)
        if not is_there(wanted, fresh):
            found = ", ".join(f"{name} {installed_version(name, fresh)}" for name in wanted)
            raise FetchError(f"requirements/wheel.txt and collections.yml disagree: the wheel holds {found}")
        if folder.exists():
            shutil.move(folder, Path(scratch) / "old")
        fresh.replace(folder)


def download(scratch: Path) -> Path:
    """Have pip bring the pinned wheel into a folder of its own and return its path."""
    pip = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--only-binary", ":all:"]
    command = [*pip, "--dest", str(scratch), "-r", str(REQUIREMENTS / "wheel.txt")]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    if tried.returncode:
        said = (tried.stderr.strip() or "no reason given").splitlines()[-1]
        raise FetchError(f"pip cannot download what requirements/wheel.txt pins: {said}")
    return next(scratch.glob("*.whl"))


def extract(wheel: Path, wanted: Iterable[str], folder: Path) -> None:
    """Given the wheel, write the wanted collections and those that they depend on below the folder."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        queue, done = list(wanted), set()
        while queue:
            name = queue.pop()
            if name not in done:
                done.add(name)
                queue += extract_one(archive, names, name, folder)


def extract_one(archive: zipfile.ZipFile, names: Iterable[str], name: str, folder: Path) -> list[str]:
    """Given a collection's full name, write it below the folder without its tests; return what it depends on."""
    prefix = f"ansible_collections/{name.replace('.', '/')}/"
    members = [member for member in names if member.startswith(prefix) and not member.startswith(f"{prefix}tests/")]
    if not members:
        raise FetchError(f"{name} is not in {Path(archive.filename or '').name}")
    archive.extractall(folder, members)
    manifest = json.loads(archive.read(f"{prefix}MANIFEST.json"))
    return list(manifest["collection_info"].get("dependencies") or {})


if __name__ == "__main__":
    sys.exit(main())
