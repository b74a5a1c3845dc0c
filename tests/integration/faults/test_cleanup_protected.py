# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Protected means the data, by whatever path: bind mounts, overlays and second mounts of a real kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup import run as run_module
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import NOT_DONE, Result
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

from .test_cleanup_filesystems import options, put

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="mounts of Linux"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount"),
    pytest.mark.case("CL1"),
]
Mount = Callable[..., None]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Return a function that mounts, making the folder; everything is unmounted at the end, last first."""
    mounted: list[str] = []

    def do(*words: object) -> None:
        Path(str(words[-1])).mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", *map(str, words)], check=True)
        mounted.append(str(words[-1]))

    yield do
    for path in reversed(mounted):
        subprocess.run(["umount", path], check=True)


def clean(folder: Path, *protected: Path, **module: object) -> Result:
    """Delete what a rule on a folder allows, beside what is protected."""
    given = {**options(folder), "protected": [str(path) for path in protected], **module}
    return run({**given, "state_dir": str(folder.parent / "state")}, choose_host(60))


def refusal(result: Result) -> tuple[str, str]:
    """Return the status and message of what became of the rule."""
    (found,) = [found for found in result.findings if found.check == "cleanup.rule"]
    return found.status, found.message


def spared(result: Result) -> list[str]:
    """Return what was not entered because it is protected."""
    messages = [found.message for found in result.findings if found.check == "cleanup.guard"]
    return [text.split(" was not")[0] for text in messages if text.endswith("it is protected")]


def of(path: Path) -> str:
    return f"is the data of {path}, which is protected"


def test_protected_data_is_not_deleted_by_a_bind_mount_of_it(tmp_path: Path, mount: Mount) -> None:
    kept = put(tmp_path / "keep" / "sub" / "a.log")
    mount("--bind", kept.parent, tmp_path / "scratch")
    result = clean(tmp_path / "scratch", tmp_path / "keep")
    assert kept.exists()
    status, message = refusal(result)
    assert (status, of(tmp_path / "keep") in message, result.changed) == ("unknown", True, False)


def test_nor_by_a_folder_below_a_bind_mount_of_a_bind_mount(tmp_path: Path, mount: Mount) -> None:
    kept = put(tmp_path / "keep" / "sub" / "deep" / "a.log")
    mount("--bind", tmp_path / "keep", tmp_path / "first")
    mount("--bind", tmp_path / "first" / "sub", tmp_path / "second")
    result = clean(tmp_path / "second" / "deep", tmp_path / "keep")
    assert kept.exists()
    assert of(tmp_path / "keep") in refusal(result)[1]


def test_nor_through_the_folder_above_it_mounted_elsewhere(tmp_path: Path, mount: Mount) -> None:
    kept = put(tmp_path / "data" / "keep" / "a.log")
    mount("--bind", tmp_path / "data", tmp_path / "view")
    gone = put(tmp_path / "data" / "a.log")
    result = clean(tmp_path / "view", tmp_path / "data" / "keep")
    assert (kept.exists(), gone.exists(), spared(result)) == (True, False, [f"{tmp_path}/view/keep"])


def test_nor_by_its_own_path_where_it_is_protected_by_that_of_a_mount(tmp_path: Path, mount: Mount) -> None:
    kept = put(tmp_path / "tree" / "x" / "y" / "a.log")
    mount("--bind", tmp_path / "tree" / "x", tmp_path / "srv" / "keep" / "inner")
    result = clean(tmp_path / "tree" / "x" / "y", tmp_path / "srv")  # a mount somewhere below what is protected
    assert kept.exists()
    assert of(tmp_path / "srv") in refusal(result)[1]


def test_nor_where_it_is_protected_by_a_symlink(tmp_path: Path, mount: Mount) -> None:
    kept = put(tmp_path / "real" / "a.log")
    (tmp_path / "keep").symlink_to(tmp_path / "real")
    mount("--bind", tmp_path / "real", tmp_path / "scratch")
    clean(tmp_path / "scratch", tmp_path / "keep")
    assert kept.exists()


def test_nor_by_a_second_mount_of_its_file_system(tmp_path: Path, mount: Mount) -> None:
    mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path / "disk")
    mount("--bind", tmp_path / "disk", tmp_path / "again")
    kept = put(tmp_path / "disk" / "keep" / "a.log")
    clean(tmp_path / "again" / "keep", tmp_path / "disk" / "keep")
    assert kept.exists()


@pytest.mark.parametrize("protected", ["upper", "lower", "merged"])
def test_nor_by_an_overlay_of_it(tmp_path: Path, mount: Mount, protected: str) -> None:
    mount("-t", "tmpfs", "-o", "size=4m", "tmpfs", tmp_path / "disk")  # an overlay cannot stand on an overlay
    disk = tmp_path / "disk"
    (disk / "work").mkdir()
    for name in ("upper", "lower"):
        put(disk / name / "keep" / f"{name}.log")
    layers = f"lowerdir={disk}/lower,upperdir={disk}/upper,workdir={disk}/work"
    mount("-t", "overlay", "-o", layers, "overlay", disk / "merged")
    other = disk / ("upper" if protected == "merged" else "merged")
    result = clean(other / "keep", disk / protected / "keep")
    assert of(disk / protected / "keep") in refusal(result)[1]
    above = clean(other, disk / protected / "keep")
    assert spared(above) == [f"{other}/keep"]
    assert sorted(path.name for path in (disk / "merged" / "keep").iterdir()) == ["lower.log", "upper.log"]


def test_nor_where_it_is_mounted_over_the_folder_between_plan_and_act(
    tmp_path: Path, mount: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "tree" / "a.log")
    kept = put(tmp_path / "keep" / "sub" / "a.log")
    real = run_module.carry_out

    def late(*arguments: object) -> object:
        mount("--bind", kept.parent, tmp_path / "tree")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(run_module, "carry_out", late)
    result = clean(tmp_path / "tree", tmp_path / "keep")
    assert (kept.exists(), result.changed) == (True, False)
    (action,) = result.actions
    assert (action.state, of(tmp_path / "keep") in action.reason) == (NOT_DONE, True)


def test_a_folder_that_must_not_be_emptied_is_not_by_a_bind_mount_of_it(tmp_path: Path, mount: Mount) -> None:
    kept = put(tmp_path / "cryptobot" / "a.log")
    mount("--bind", tmp_path / "cryptobot", tmp_path / "scratch")
    result = clean(tmp_path / "scratch", install_dir=str(tmp_path / "cryptobot"))
    assert kept.exists()
    assert f"is the whole of {tmp_path / 'cryptobot'}, or more" in refusal(result)[1]


def test_a_bind_mount_of_what_is_not_protected_is_cleaned(tmp_path: Path, mount: Mount) -> None:
    gone = put(tmp_path / "cryptobot" / "logs" / "a.log")
    kept = put(tmp_path / "cryptobot" / "logs-of-trades" / "a.log")  # a name that begins like the other
    mount("--bind", gone.parent, tmp_path / "scratch")
    result = clean(tmp_path / "scratch", kept.parent, install_dir=str(tmp_path / "cryptobot"))
    assert (gone.exists(), kept.exists(), refusal(result)[0]) == (False, True, "ok")
