# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The textfile is as `promtool check metrics` wants it: its rules as a test, and promtool itself where it is there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.build import build_report
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.prometheus import render_prometheus

from .samples import RUN, finding, result

CORE = Path(__file__).parents[5] / "plugins" / "module_utils"
# Every name that an area writes as a whole, and what the rules of promtool are about.
WRITTEN = {
    name
    for path in CORE.rglob("report.py")
    for name in re.findall(r'Metric\("(cryptobot_\w+)"', path.read_text("utf-8"))
}
NAMES = sorted(WRITTEN | {"cryptobot_resources_oom_kills_total", "cryptobot_x_hours", "cryptobot_x_minutes"})
# https://github.com/prometheus/client_golang, promlint: units that are not base units, and ends of other types
UNITS = r"(?:milli|micro|nano)?(?:minutes|hours|days|weeks|celsius|percent|ms|us|ns|kb|mb|gb|kilobytes|megabytes|bits)"
RESERVED = ("_count", "_sum", "_bucket", "_info")


def textfile() -> str:
    twice = [{"name": name, "value": 1.5, "unit": "", "labels": {"path": 'a "b"\\\n'}} for name in (*NAMES, *NAMES)]
    hosts = {"h1": {"cryptobot_result_x": result(finding("a.b", "ok"), metrics=twice)}, "h2": {}}
    return render_prometheus(build_report(hosts, RUN))


@pytest.mark.case("RP13")
def test_each_name_has_its_help_and_type_once_before_its_samples_and_no_series_stands_twice() -> None:
    blocks = re.split(r"^# HELP ", textfile(), flags=re.MULTILINE)[1:]
    names = [block.split(" ", 1)[0] for block in blocks]
    assert len(names) == len(set(names)) > len(NAMES)
    for name, block in zip(names, blocks):
        head, kind, *samples = block.splitlines()
        assert head.split(" ", 1)[1].endswith(".")
        assert kind == f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}"
        series = [sample.rsplit(" ", 1)[0] for sample in samples]
        assert len(series) == len(set(series)) > 0
        assert all(each.startswith(f"{name}{{") for each in series)


@pytest.mark.case("RP13")
def test_names_are_in_base_units_and_have_no_end_of_another_type() -> None:
    for name in re.findall(r"^# TYPE (\S+)", textfile(), re.MULTILINE):
        assert not re.search(rf"_{UNITS}(?:_|$)", name), name
        assert not name.endswith(RESERVED), name
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name), name


@pytest.mark.case("RP13")
def test_what_was_measured_in_days_is_told_in_seconds() -> None:
    assert re.search(r"^cryptobot_database_freeze_forecast_seconds\{.*\} 129600\.0$", textfile(), re.MULTILINE)


@pytest.mark.case("RP13")
@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (Debian package prometheus)")
def test_promtool_has_nothing_to_say() -> None:
    argv = ["promtool", "check", "metrics"]
    ended = subprocess.run(argv, input=textfile(), capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")
