# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The packed core: the same bytes everywhere, only what is core, packed once a run, for Pythons old and new."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("ansible", reason="it is kept in Ansible's folder of a run")

from ansible import constants

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.carrier import pack as packing
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.carrier.pack import CORE, Payload, pack, payload

CHECKOUT = Path(__file__).resolve().parents[5]
FIND = CHECKOUT / "scripts" / "python" / "find.sh"
BRIDGE = CHECKOUT / "plugins" / "modules" / "bridge.ps1"
TOO_OLD = ("3.6", "3.7", "3.8")
FINE = ("3.9", "3.13")
AREAS = ("services",)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    core = tmp_path / "module_utils"
    shutil.copytree(CORE, core, ignore=shutil.ignore_patterns("__pycache__"))
    return core


def names(content: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.namelist()


def test_the_same_sources_give_the_same_bytes_at_any_time_and_place(tree: Path) -> None:
    first = pack(AREAS, tree)
    for path in tree.rglob("*.py"):
        os.utime(path, (1, 1))
        path.chmod(0o600)
    moved = tree.rename(tree.with_name("elsewhere"))
    (moved / "__pycache__").mkdir()
    (moved / "__pycache__" / "entry.cpython-39.pyc").write_bytes(b"x")
    assert pack(AREAS, moved) == first


def test_no_header_of_the_zip_tells_of_the_day_or_the_machine() -> None:
    with zipfile.ZipFile(io.BytesIO(pack(AREAS))) as archive:
        headers = {(entry.date_time, entry.create_system, entry.external_attr) for entry in archive.infolist()}
    assert headers == {((1980, 1, 1, 0, 0, 0), 3, 0o644 << 16)}


def test_another_source_gives_another_hash(tree: Path) -> None:
    first = pack(AREAS, tree)
    (tree / "errors.py").write_text("# changed\n")
    assert pack(AREAS, tree) != first


def test_the_hash_is_that_of_what_arrives() -> None:
    packed = payload(AREAS)
    arrived = gzip.decompress(base64.b64decode(packed.to_travel()))
    assert hashlib.sha256(arrived).hexdigest() == packed.sha256
    assert len(packed.to_travel()) < len(arrived)


def test_only_the_core_is_packed_and_every_folder_is_a_package() -> None:
    packed = names(pack(AREAS))
    assert "__main__.py" in packed
    inside = [name for name in packed if name != "__main__.py"]
    assert all(name.startswith("cryptobot_maintenance/") and name.endswith(".py") for name in inside)
    assert {f"{Path(name).parent}/__init__.py" for name in inside} <= set(inside)
    assert len(inside) == len(set(inside)) > 10


def test_it_is_packed_once_a_run_by_whichever_process_is_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    packed = tmp_path / "packed"

    def note(areas: list[str]) -> bytes:
        time.sleep(0.2)
        with packed.open("a", encoding="ascii") as stream:
            stream.write(f"{','.join(areas)}\n")
        return pack(areas)

    monkeypatch.setattr(packing, "pack", note)
    forks = [multiprocessing.get_context("fork").Process(target=payload, args=(["services"],)) for _fork in range(4)]
    for fork in forks:
        fork.start()
    for fork in forks:
        fork.join()
    assert [fork.exitcode for fork in forks] == [0] * 4
    assert packed.read_text("ascii") == "services\n"


def test_the_order_in_which_areas_are_asked_for_makes_no_other_payload() -> None:
    assert payload(["cleanup", "services", "services"]) == payload(["services", "cleanup"])


def test_what_is_kept_of_a_run_is_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    made = payload(AREAS)
    assert made == Payload(hashlib.sha256(made.path.read_bytes()).hexdigest(), made.path)
    assert made.path.parent.stat().st_mode & 0o777 == 0o700


def python(version: str) -> str:
    found = subprocess.run([str(FIND), version], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(f"there is no Python {version} on this machine")
    return found.stdout.strip()


def starter() -> str:
    """What bridge.ps1 starts Python with: the words of $starter, put together as PowerShell does."""
    text = BRIDGE.read_text("utf-8")
    value = text[text.index("$starter = ") : text.index("# --- the folder")]
    words = re.findall(r'^(?:\$starter =)?\s*"(.*?)"(?: \+)?$', value, re.MULTILINE)
    return "".join(words).replace("$tooOld", "78")


def start(interpreter: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run the packed core as the bridge does, with a request that it answers on any platform."""
    sent = pack(AREAS)
    head = {"payload": len(sent), "question": "q", "folders": {}}
    params = {"checks": {}, "state_dir": str(folder), "timeout": 60}
    request = {"area": "services", "params": params, "check_mode": True, "secrets": []}
    given = json.dumps(head).encode() + b"\n" + sent + json.dumps(request).encode() + b"\n"
    argv = [interpreter, "-I", "-B", "-c", starter()]
    return subprocess.run(argv, input=given, capture_output=True, cwd=folder, check=False)


@pytest.mark.parametrize("version", TOO_OLD)
def test_a_python_that_is_too_old_says_so_and_which_it_is(version: str, tmp_path: Path) -> None:
    ended = start(python(version), tmp_path)
    assert (ended.returncode, ended.stdout) == (78, b"")
    assert ended.stderr.startswith(f"{version}.".encode())


@pytest.mark.parametrize("version", FINE)
def test_the_core_starts_from_the_bytes(version: str, tmp_path: Path) -> None:
    ended = start(python(version), tmp_path)
    assert b"KeyError" in ended.stdout, ended.stderr  # the area's own: this request lacks its options
    assert b"services/run.py" in ended.stdout


def test_the_core_starts_from_the_bytes_on_this_python(tmp_path: Path) -> None:
    assert b"services/run.py" in start(sys.executable, tmp_path).stdout


def test_python_answers_a_question_that_a_program_which_only_echoes_cannot(tmp_path: Path) -> None:
    said = start(sys.executable, tmp_path).stdout.splitlines()[0].decode()
    assert said == hashlib.sha256(b"q answered").hexdigest()


@pytest.mark.case("WN2")
def test_what_is_run_is_what_was_given_and_no_file(tmp_path: Path) -> None:
    """Files of the names that Python would look for lie in its folder."""
    for name in ("cryptobot_maintenance/__init__.py", "cryptobot_maintenance/entry.py", "__main__.py", "json.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("raise SystemExit('planted')")
    ended = start(sys.executable, tmp_path)
    assert b"planted" not in ended.stderr
    assert b"services/run.py" in ended.stdout
