# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run every test that carries a case id and print, id by id, how many there are and what became of them.

The ids are those of tests/cases.tsv. It ends with 1 where an id has no test that passed, or one that failed: a case
that only a test elsewhere could prove is not proven here. Ids on the command line, or how they begin, narrow it:
`run.py SV1 BK`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

CHECKOUT = Path(__file__).resolve().parents[2]
LIST = CHECKOUT / "tests" / "cases.tsv"
LOGS = CHECKOUT / ".logs"
MARK = re.compile(r"\bmark\.case\(")

Outcomes = dict[str, Counter[str]]  # by case id: how many tests passed, failed, were skipped


def main() -> int:
    """Run the tests and print the table; return 1 where a case is not proven, 2 where nothing begins as asked."""
    unknown = [name for name in sys.argv[1:] if not any(row[0].startswith(name) for row in cases(LIST))]
    if unknown:
        print(f"no case begins with {', '.join(unknown)}; {LIST.name} lists them", file=sys.stderr)
        return 2
    LOGS.mkdir(exist_ok=True)
    outcomes: Outcomes = defaultdict(Counter)
    for folder in folders():
        name = f"cases.{folder.parent.name}.{folder.name}"
        report = LOGS / f"{name}.xml"
        report.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "pytest", "-q", "-m", "case", f"--junitxml={report}", str(folder)]
        argv += [f"--case={name}" for name in sys.argv[1:]]
        subprocess.run(argv, cwd=CHECKOUT, check=False, stdout=(LOGS / f"{name}.log").open("w"))
        for case, result in results(report):
            outcomes[case][result] += 1
    wanted = [row for row in cases(LIST) if not sys.argv[1:] or any(row[0].startswith(name) for name in sys.argv[1:])]
    unproven = [row[0] for row in wanted if verdict(outcomes[row[0]]) != "passed"]
    for case, severity, situation in wanted:
        print(f"{case:5} {severity}  {sum(outcomes[case].values()):3} tests  {verdict(outcomes[case]):8}  {situation}")
    print(f"{len(wanted) - len(unproven)} passed, {len(unproven)} failed")
    return int(bool(unproven))


def cases(path: Path) -> list[list[str]]:
    """Given the list of cases, return (id, severity, situation) of each."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


def folders() -> Iterator[Path]:
    """Yield the folders of tests that hold a case, each with the process of its own that its layer has too."""
    tests = CHECKOUT / "tests"
    several = (tests / "integration", tests / "fuzz")
    for folder in (tests / "unit", *sorted(path for each in several for path in each.iterdir() if path.is_dir())):
        if any(MARK.search(path.read_text(encoding="utf-8")) for path in folder.rglob("test_*.py")):
            yield folder


def results(report: Path) -> Iterator[tuple[str, str]]:
    """Given pytest's JUnit file, yield (case id, passed, failed or skipped) for each test that carries an id."""
    if not report.exists():
        return
    for test in ET.parse(report).getroot().iter("testcase"):
        for case in test.iterfind("properties/property[@name='case']"):
            yield case.get("value", ""), result_of(child.tag for child in test)


def result_of(tags: Iterable[str]) -> str:
    """Given the names of a test's parts in JUnit, return what became of it."""
    found = set(tags)
    return "failed" if found & {"failure", "error"} else "skipped" if "skipped" in found else "passed"


def verdict(counted: Counter[str]) -> str:
    """Given what became of a case's tests, return passed, failed, skipped or "no test"."""
    if counted["failed"]:
        return "failed"
    return "passed" if counted["passed"] else "skipped" if counted["skipped"] else "no test"


if __name__ == "__main__":
    sys.exit(main())
