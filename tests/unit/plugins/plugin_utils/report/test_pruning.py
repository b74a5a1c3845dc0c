# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Old runs go by number and by size, the newest never; and nothing goes that no run of ours wrote."""

from __future__ import annotations

import calendar
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report import pruning
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.build import build_report
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.history import publish_report
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.scope import Call

from .samples import RUN, finding, result

ANSWERS = {"h1": {"cryptobot_result_x": result(finding("a.b", "critical"))}}
ROOMY = 10**9
WHOLE, CHECK, PARTIAL = Call("weekly.yml", False), Call("weekly.yml", True), Call("weekly.yml", False, limit="h1")


def run_id(day: int) -> str:
    return f"202611{day:02}T000000Z-abcdef"


def publish(
    folder: Path, day: int, *, keep: int = 90, most: int = ROOMY, call: Call = WHOLE, ended: int | None = None
) -> Path:
    run = {**RUN, "id": run_id(day), "finished": calendar.timegm((2026, 11, ended or day, 0, 0, 0))}
    return publish_report(build_report(ANSWERS, run, call=call), folder, keep, most)


def kept(folder: Path) -> list[str]:
    """Return the runs of all places, each by its place and day."""
    found = [path for path in folder.rglob("2026*") if path.is_dir() and not path.is_symlink()]
    return sorted(f"{path.parent.relative_to(folder)}/{path.name[6:8]}" for path in found)


def sizes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("2026*/*") if path.is_file())


# (how much more than three runs may be held, the days that stay)
BOUNDS = [(-1, ["./04", "./05"]), (0, ["./03", "./04", "./05"]), (1, ["./03", "./04", "./05"])]


@pytest.mark.parametrize(("more", "stays"), BOUNDS)
def test_the_oldest_go_until_all_hold_no_more_than_is_declared(more: int, stays: list[str], tmp_path: Path) -> None:
    for day in range(1, 5):
        publish(tmp_path, day)
    one = sizes(tmp_path) // 4
    publish(tmp_path, 5, most=3 * one + more)
    assert kept(tmp_path) == stays
    assert sizes(tmp_path) <= 3 * one + more


@pytest.mark.parametrize("most", [0, 1])
def test_the_newest_stays_however_large_it_is(most: int, tmp_path: Path) -> None:
    publish(tmp_path, 1)
    final = publish(tmp_path, 2, most=most)
    assert kept(tmp_path) == ["./02"]
    assert (tmp_path / "latest").resolve() == final


def test_the_size_is_that_of_all_places_and_latest_of_each_stays(tmp_path: Path) -> None:
    for day, call in ((1, CHECK), (2, CHECK), (3, PARTIAL), (4, WHOLE), (5, PARTIAL), (6, WHOLE)):
        publish(tmp_path, day, call=call)
    publish(tmp_path, 7, most=1)
    assert kept(tmp_path) == ["./07", "check/02", "partial/05"]


def test_the_number_is_that_of_each_place(tmp_path: Path) -> None:
    for day, call in ((1, CHECK), (2, CHECK), (3, WHOLE), (4, WHOLE), (5, WHOLE)):
        publish(tmp_path, day, call=call, keep=2)
    assert kept(tmp_path) == ["./04", "./05", "check/01", "check/02"]


def test_a_run_that_ends_late_stays_beside_the_newest(tmp_path: Path) -> None:
    for day in (7, 9, 8):
        publish(tmp_path, day, keep=1, most=0, ended=9)
    assert kept(tmp_path) == ["./08", "./09"]


def beside(run: Path) -> None:
    (run / "notes.txt").write_text("why it was so", encoding="utf-8")


def linked(run: Path) -> None:
    run.rename(run.with_name("elsewhere"))
    run.symlink_to("elsewhere")


def odd_file(run: Path) -> None:
    (run / "report.html").unlink()
    (run / "report.html").symlink_to("/etc/hostname")


def folder_inside(run: Path) -> None:
    (run / "report.html").unlink()
    (run / "report.html").mkdir()


def of_another(run: Path) -> None:
    text = (run / "report.json").read_text("utf-8")
    (run / "report.json").write_text(text.replace(run.name, run_id(30), 1), encoding="utf-8")


def without_report(run: Path) -> None:
    (run / "report.json").unlink()


def pipe(run: Path) -> None:
    (run / "report.json").unlink()
    os.mkfifo(run / "report.json")


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("spoil", [beside, linked, odd_file, folder_inside, of_another, without_report, pipe])
def test_what_no_run_of_ours_wrote_is_left_as_it_is(spoil: Callable[[Path], None], tmp_path: Path) -> None:
    odd, plain = tmp_path / run_id(1), tmp_path / run_id(2)
    publish(tmp_path, 1)
    publish(tmp_path, 2)
    publish(tmp_path, 3)
    spoil(odd)
    before = tree(odd.resolve())
    publish(tmp_path, 4, keep=1, most=0)
    assert not plain.exists()
    assert (odd.is_symlink(), tree(odd.resolve())) == (spoil is linked, before)


def test_reports_of_earlier_releases_with_blanks_in_them_are_ours(tmp_path: Path) -> None:
    run = publish(tmp_path, 1)
    (run / "report.json").write_text(f'{{\n "schema": 1,\n "run": {{\n  "id": "{run.name}",\n', encoding="utf-8")
    publish(tmp_path, 2)
    publish(tmp_path, 3, keep=2)
    assert kept(tmp_path) == ["./02", "./03"]


class Killed(BaseException):
    """What a test throws where a process would end."""


def test_a_run_is_there_as_a_whole_or_not_at_all_wherever_the_removal_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish(tmp_path, 1)
    publish(tmp_path, 2)

    def killed(name: str, dir_fd: int | None = None) -> None:
        if dir_fd is not None:  # of the removal, not of what is published
            raise Killed
        os.remove(name)

    monkeypatch.setattr(pruning.os, "unlink", killed)
    with pytest.raises(Killed):
        publish(tmp_path, 3, keep=1)
    monkeypatch.undo()
    half = first.with_name(f"{first.name}.partial")
    assert not first.exists()
    assert len(list(half.iterdir())) == 3
    publish(tmp_path, 4)
    assert half.exists()  # it might be alive
    (half / "notes").touch()
    os.utime(half, (0, 0))
    publish(tmp_path, 5)
    assert [path.name for path in half.iterdir()] == ["notes"]  # another's


def test_for_a_run_that_cannot_be_removed_the_next_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = publish(tmp_path, 1)
    publish(tmp_path, 2)
    publish(tmp_path, 3)
    rename = os.rename

    def refused(old: Path, new: Path) -> None:
        if old == first:
            raise PermissionError(1, "not allowed")
        rename(old, new)

    monkeypatch.setattr(pruning.os, "rename", refused)
    publish(tmp_path, 4, keep=3)
    assert kept(tmp_path) == ["./01", "./03", "./04"]


@pytest.mark.parametrize(("age", "dead"), [(86_399, False), (86_400, False), (86_401, True)])
def test_what_is_older_than_a_day_is_dead(
    age: int, dead: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.utime(tmp_path, (1_000_000, 1_000_000))
    monkeypatch.setattr(pruning.time, "time", lambda: 1_000_000.0 + age)
    assert pruning.is_dead(tmp_path) is dead
    assert not pruning.is_dead(tmp_path / "gone")
