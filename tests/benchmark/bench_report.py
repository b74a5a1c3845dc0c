# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of 1,000 hosts with 146 findings each: how long it takes to make, and how large it is; and to open.

From the registered results, as they lie in memory, to the three files on the disk. Memory is the peak of the whole
process, with what the hosts registered (170 MB) and Python in it. The page is opened in a headless Chromium: usable is
when it was loaded and drawn, and its filter answers. Each peer is a bound, so a ratio of 1 or more is within it.

    python tests/benchmark/bench_report.py --screenshot FILE      also writes the first screen of the page
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from browser import chromium
from pair import emit

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT / "tests"), str(CHECKOUT / "tests" / "unit")]
HOSTS = 1_000
RUNS = int(os.environ.get("CRYPTOBOT_BENCH_RUNS", "3"))
SECONDS, MEGABYTES, PAGE_MEGABYTES, USABLE_S, FILTER_S = 3.0, 300.0, 5.0, 2.0, 0.5
RUN = {"id": "20261122T020000Z-5f3a91", "title": "weekly", "check_mode": False}


def peak() -> float:
    """Return the most memory that this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def make(folder: Path) -> dict[str, float]:
    """Make the report in this process and return what that took."""
    import conftest  # noqa: F401 - makes the collection importable
    from plugins.plugin_utils.report.fleet import fleet

    from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report import (
        answers,
        build,
        history,
    )

    hosts = fleet(HOSTS)
    registered, begun, cpu = peak(), time.monotonic(), time.process_time()
    clean: set[str] = set()
    results = {name: answers.results_of(variables, clean) for name, variables in hosts.items()}
    report = build.build_report(results, {**RUN, "finished": time.time()})
    final = history.publish_report(report, folder, keep=1)
    took = {"wall": time.monotonic() - begun, "cpu": time.process_time() - cpu, "memory": peak(), "input": registered}
    return {**took, **{path.name: path.stat().st_size / 1e6 for path in final.iterdir()}}


def measured(folder: Path) -> dict[str, float]:
    """Make the report in a process of its own and return what that took."""
    argv = [sys.executable, __file__, "--make", str(folder)]
    told: dict[str, float] = json.loads(subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout)
    print("  " + ", ".join(f"{name} {value:.2f}" for name, value in told.items()), file=sys.stderr)
    return told


def opened(page: Path, screenshot: str) -> None:
    """Open the page in a browser and print how long that takes."""
    program = shutil.which("chromium")
    if program is None:
        print("left out: how soon the page can be used, for there is no chromium here", file=sys.stderr)
        return
    with chromium(program) as browser:
        took = [browser.seconds(page) for _run in range(RUNS)]
        if screenshot:
            Path(screenshot).write_bytes(browser.screenshot())
    emit("report.usable", [usable for usable, _filter in took], [USABLE_S], "s", 1.0)
    emit("report.filter", [each for _usable, each in took], [FILTER_S], "s", 1.0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--make", metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--screenshot", metavar="FILE", default="")
    options = parser.parse_args()
    if options.make:
        print(json.dumps(make(Path(options.make))))
        return
    with tempfile.TemporaryDirectory() as name:
        told = [measured(Path(name, str(run))) for run in range(RUNS)]
        emit("report.make.wall", [each["wall"] for each in told], [SECONDS], "s", 1.0)
        emit("report.make.cpu", [each["cpu"] for each in told], [SECONDS], "s", 1.0)
        emit("report.make.memory", [each["memory"] for each in told], [MEGABYTES], "MB", 1.0)
        emit("report.page", [each["report.html"] for each in told], [PAGE_MEGABYTES], "MB", 1.0)
        opened(Path(name, "0", "latest", "report.html"), options.screenshot)


if __name__ == "__main__":
    main()
