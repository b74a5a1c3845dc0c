# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cleanup on real file systems: mounts within its folder, read-only, immutable, full, and without permission."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup import RULE, SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup import run as run_module
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Result
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="mounts of Linux"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount"),
]
OLD = 40 * 86400.0


def options(folder: Path, **changes: object) -> dict[str, object]:
    rule = {name: option.get("default") for name, option in RULE.items()}
    rule.update({"name": "files", "path": str(folder), "patterns": ["*.log"], "age": "1d", "recurse": True})
    module = {name: option.get("default") for name, option in SPEC.items()}
    return {**module, "rules": [{**rule, **changes}], "state_dir": str(folder.parent / "state")}


def clean(folder: Path, check_mode: bool = False, **changes: object) -> Result:
    return run(options(folder, **changes), choose_host(60), check_mode)


def put(path: Path, size: int = 5000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    at = time.time() - OLD
    os.utime(path, (at, at))
    return path


def findings(result: Result, check: str) -> list[tuple[str, str]]:
    return [(found.subject, found.status) for found in result.findings if found.check == f"cleanup.{check}"]


Mount = Callable[..., None]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Return a function that mounts; everything is unmounted at the end, last first."""
    mounted: list[str] = []

    def do(*words: str) -> None:
        subprocess.run(["mount", *words], check=True)
        if "remount" not in " ".join(words):
            mounted.append(words[-1])

    yield do
    for path in reversed(mounted):
        subprocess.run(["umount", path], check=True)


def test_another_file_system_within_the_folder_is_not_entered(tmp_path: Path, mount: Mount) -> None:
    tree = tmp_path / "tree"
    put(tree / "here.log")
    (tree / "mounted").mkdir()
    mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tree / "mounted"))
    put(tree / "mounted" / "there.log")
    result = clean(tree)
    assert not (tree / "here.log").exists()
    assert (tree / "mounted" / "there.log").exists()
    assert ("files", "skipped") in findings(result, "guard")
    assert "mounted" in result.data["cleanup"]["rules"][0]["not_entered"][0]


def test_a_bind_mount_of_the_same_file_system_is_not_entered_either(tmp_path: Path, mount: Mount) -> None:
    tree, elsewhere = tmp_path / "tree", tmp_path / "elsewhere"
    put(elsewhere / "there.log")
    put(tree / "here.log")
    (tree / "bound").mkdir()
    mount("--bind", str(elsewhere), str(tree / "bound"))
    assert os.stat(tree / "bound").st_dev == os.stat(tree).st_dev  # so the device does not tell
    clean(tree)
    assert not (tree / "here.log").exists()
    assert (elsewhere / "there.log").exists()


def test_a_file_system_mounted_between_plan_and_act_is_not_entered(
    tmp_path: Path, mount: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree, elsewhere = tmp_path / "tree", tmp_path / "elsewhere"
    put(tree / "sub" / "a.log")
    put(elsewhere / "a.log")
    real = run_module.carry_out

    def late(*arguments: object) -> object:
        mount("--bind", str(elsewhere), str(tree / "sub"))
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(run_module, "carry_out", late)
    result = clean(tree)
    assert (elsewhere / "a.log").exists()
    assert result.changed is False
    assert ("replaced folders", "critical") in findings(result, "guard")


def test_a_mount_point_is_no_empty_folder(tmp_path: Path, mount: Mount) -> None:
    tree = tmp_path / "tree"
    (tree / "mounted").mkdir(parents=True)
    mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tree / "mounted"))
    at = time.time() - OLD
    os.utime(tree / "mounted", (at, at))
    result = clean(tree, empty_dirs=True)
    assert (result.actions, result.changed) == ([], False)


@pytest.mark.case("CL3")
@pytest.mark.parametrize("check_mode", [True, False])
def test_a_read_only_file_system_is_known_to_the_plan(tmp_path: Path, mount: Mount, check_mode: bool) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tree))
    for number in range(30):
        put(tree / f"{number}.log")
    mount("-o", "remount,ro", str(tree))
    result = clean(tree, check_mode)
    assert (result.actions, result.changed, result.failure) == ([], False, "")
    assert findings(result, "rule") == [("files", "unknown")]
    assert "its file system can only be read" in next(f.message for f in result.findings if f.check == "cleanup.rule")
    assert len(list(tree.iterdir())) == 30


KEPT = [("i", "it is immutable (chattr +i)"), ("a", "it may only be appended to (chattr +a)")]


@pytest.mark.case("CL3")
@pytest.mark.parametrize(("attribute", "reason"), KEPT)
@pytest.mark.parametrize("place", ["file", "folder"])
def test_what_the_system_keeps_is_known_to_the_plan_and_the_rest_goes(
    tmp_path: Path, attribute: str, reason: str, place: str
) -> None:
    tree = tmp_path / "tree"
    stubborn = put(tree / "sub" / "stubborn.log")
    put(tree / "plain.log")
    kept = stubborn if place == "file" else stubborn.parent
    if subprocess.run(["chattr", f"+{attribute}", str(kept)], check=False, capture_output=True).returncode:
        pytest.skip(f"the file system of {tmp_path} knows no immutable files")
    try:
        planned, done = clean(tree, check_mode=True), clean(tree)
    finally:
        subprocess.run(["chattr", f"-{attribute}", str(kept)], check=True)
    spared = {f"{stubborn}": "skipped"} if place == "file" else {}
    for result, state in ((planned, "planned"), (done, "done")):
        assert {action.subject: action.state for action in result.actions} == {f"{tree}/plain.log": state, **spared}
    assert (stubborn.exists(), (tree / "plain.log").exists()) == (True, False)
    assert findings(done, "failed") == [("all rules", "ok")]
    told = [found.message for found in done.findings if found.check == "cleanup.guard"]
    assert any(reason in message and str(kept) in message for message in told)


def test_a_full_file_system_is_cleaned_and_the_space_is_really_there(tmp_path: Path, mount: Mount) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    mount("-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tree))
    for number in range(3):
        put(tree / f"{number}.log", 1 << 20)
    with pytest.raises(OSError, match="No space left"):
        put(tree / "young.txt", 2 << 20)
    result = clean(tree)
    (filesystem,) = result.data["cleanup"]["filesystems"]
    freed = filesystem["free_after"] - filesystem["free_before"]
    assert freed == result.data["cleanup"]["reclaimed_bytes"] == 3 << 20
    put(tree / "young.txt", 2 << 20)


UNPRIVILEGED = """
import json, os, sys
sys.path[:0] = [sys.argv[1]]
import conftest
# what is imported here can be read: after the rights are given up it cannot
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup import linux
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
os.setgroups([]); os.setgid(65534); os.setuid(65534)
print(json.dumps(run(json.loads(sys.argv[2]), choose_host(60)).as_dict()))
"""


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that other accounts may pass, which pytest's own is not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_without_permission_what_is_allowed_goes_and_the_rest_is_told(shared: Path) -> None:
    tree = shared / "tree"
    put(tree / "mine" / "a.log")
    put(tree / "theirs" / "b.log")
    put(tree / "hidden" / "c.log")
    (tree / "mine").chmod(0o777)
    (tree / "theirs").chmod(0o755)
    (tree / "hidden").chmod(0o700)
    (shared / "state").mkdir()
    os.chown(shared / "state", 65534, 65534)  # its own: what others can change is not believed
    arguments = [str(Path(__file__).parents[2]), json.dumps(options(tree))]
    done = subprocess.run([sys.executable, "-c", UNPRIVILEGED, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    states = {action["subject"].rsplit("/", 1)[1]: action["state"] for action in answer["actions"]}
    assert states == {"a.log": "done", "b.log": "failed"}
    seen = {(found["check"], found["status"]) for found in answer["findings"]}
    assert {("cleanup.failed", "critical"), ("cleanup.rule", "unknown"), ("cleanup.in_use", "unknown")} <= seen
    assert (tree / "hidden" / "c.log").exists()
    assert "hidden" in next(f["message"] for f in answer["findings"] if f["check"] == "cleanup.rule")
