# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plant small mistakes in everything that decides, one at a time, and see whether the area's unit tests notice.

`run.py` tries all mutants, for at most --minutes; it goes on where the last call stopped (.mutate/results.jsonl). A
mutant that survives fails the run unless tests/survivors.tsv has it with a reason. The last lines are the share killed,
area by area, and .mutate/survivors.txt lists the others.
`run.py --sample` tries those of tests/mutants.tsv, each with the test that noticed it when the sample was drawn.
`run.py --draw 160` tries all that is left, and then draws that sample: from each area those whose keys come first.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import pytest
from area import KILLED, SAME, SURVIVED, Trials, die_with, fork
from mutants import CHECKOUT, Mutant, files_that_decide, mutants_of
from trial import PLAIN, prepare, tests_of, try_mutant

PLACE = CHECKOUT / ".mutate"
KNOWN = CHECKOUT / "tests" / "survivors.tsv"
SAMPLE = CHECKOUT / "tests" / "mutants.tsv"
DAY = 86400.0


def main() -> int:
    """Try what was asked for; return 1 where a mutant survived without a reason, or the tests fail without one."""
    options = parse_arguments()
    PLACE.mkdir(exist_ok=True)
    prepare(PLACE)
    hints = read_sample() if options.sample else {}
    by_area = chosen_mutants(options.areas, hints)
    results = PLACE / ("sample.jsonl" if options.sample else "results.jsonl")
    if options.sample or options.anew:
        results.unlink(missing_ok=True)
    problems = try_all(by_area, hints, results, time.monotonic() + options.minutes * 60)
    mutants = [mutant for found in by_area.values() for mutant in found]
    done = earlier(results, mutants)
    outcomes = {mutant.key: done.get(mutant.key, Outcome("", "")) for mutant in mutants}
    if options.draw:
        draw(by_area, outcomes, options.draw)
    print("".join(f"{problem}: mend that first\n" for problem in problems), end="")
    return tell(mutants, {key: outcome.became for key, outcome in outcomes.items()}) or int(bool(problems))


def parse_arguments() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("areas", nargs="*", help="only these areas")
    parser.add_argument("--sample", action="store_true", help="only the sample of tests/mutants.tsv")
    parser.add_argument("--draw", type=int, default=0, help="draw a sample of this many")
    parser.add_argument("--minutes", type=float, default=60.0, help="when to stop (default: 60)")
    parser.add_argument("--anew", action="store_true", help="try those again whose result is known")
    return parser.parse_args()


class Outcome(NamedTuple):
    """What became of a mutant (nothing: it was not tried), and the test that noticed it."""

    became: str
    noticed: str


def chosen_mutants(areas: list[str], hints: Mapping[str, str]) -> dict[str, list[Mutant]]:
    """Return the mutants of the areas asked for: all, or where there is a sample, it.

    For one of the sample that is no longer there, because its line was changed, comes another of its area.
    """
    by_area, known = defaultdict(list), reasons()
    for path in files_that_decide():
        for mutant in mutants_of(path):
            if not areas or mutant.area in areas:
                by_area[mutant.area].append(mutant)
    for area, found in by_area.items() if hints else ():
        own = [mutant for mutant in found if mutant.key in hints]
        more = sorted(mutant for mutant in found if mutant.key not in hints and mutant.key not in known)
        share = -(-len(hints) // len(by_area))
        by_area[area] = sorted(own) + more[: max(0, min(share, len(found)) - len(own))]
    return by_area


def read_sample() -> dict[str, str]:
    """Return the test that noticed each mutant of the sample, by key."""
    rows = [line.split("\t") for line in SAMPLE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {row[0]: row[2] for row in rows}


def draw(by_area: Mapping[str, list[Mutant]], outcomes: Mapping[str, Outcome], count: int) -> None:
    """Write the sample: so many of those that were noticed, the areas in turn."""
    noticed = {
        area: sorted(mutant for mutant in found if outcomes[mutant.key].noticed not in ("", "?"))
        for area, found in by_area.items()
    }
    turns = sorted((turn, mutant) for found in noticed.values() for turn, mutant in enumerate(found))
    rows = sorted((mutant.path, mutant.key, outcomes[mutant.key].noticed) for _turn, mutant in turns[:count])
    head = "# The sample of `make test-mutants`: key, file, the test that noticed it. Drawn by `run.py --draw`.\n"
    SAMPLE.write_text(head + "".join(f"{key}\t{path}\t{test}\n" for path, key, test in rows), encoding="utf-8")


def still_holds(mutant: Mutant, line: Sequence[str]) -> bool:
    """Given a line of the results, return whether it tells of a mutant as its file and the tests are now.

    That it was noticed holds while the test that noticed it stays; that it survived, while all tests of the area do.
    """
    return list(line) == [mutant.key, *evidence(mutant, line[-1]), *line[-2:]]


def evidence(mutant: Mutant, noticed: str) -> tuple[str, str]:
    """Return the states of what a result rests on: the mutated file, and the tests."""
    path, noticing = CHECKOUT / mutant.path, CHECKOUT / noticed.partition("::")[0]
    near, others = tests_of(path)
    tests = (noticing,) if noticing.is_file() else (*near, *others)
    return _digest((path,)), _digest(tests)


_DIGESTS: dict[tuple[Path, ...], str] = {}


def _digest(paths: tuple[Path, ...]) -> str:
    if paths not in _DIGESTS:
        _DIGESTS[paths] = hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()[:12]
    return _DIGESTS[paths]


def earlier(path: Path, mutants: Iterable[Mutant]) -> dict[str, Outcome]:
    """Return what became of mutants in earlier calls, by key; a line that was cut by a kill is left out."""
    by_key, found = {mutant.key: mutant for mutant in mutants}, {}
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if line[0] in by_key and still_holds(by_key[line[0]], line):
            found[line[0]] = Outcome(*line[-2:])
    return found


def try_all(by_area: Mapping[str, list[Mutant]], hints: Mapping[str, str], results: Path, until: float) -> list[str]:
    """Try the mutants of areas, two areas side by side; each result is kept as soon as it is there. Return problems."""
    done = earlier(results, (mutant for found in by_area.values() for mutant in found))
    left = {area: [mutant for mutant in found if mutant.key not in done] for area, found in by_area.items()}
    for mutant in (mutant for found in left.values() for mutant in found):
        evidence(mutant, "")  # kept from now on: a test that somebody writes meanwhile was not among those that ran
    with ProcessPoolExecutor(2, get_context("fork"), initializer=die_with, initargs=(os.getpid(),)) as pool:
        tasks = [
            pool.submit(try_area, area, left[area], hints, results, until)
            for area in sorted(left, key=lambda area: -len(left[area]))
            if left[area]
        ]
        return [problem for problem in (task.result() for task in tasks) if problem]


def try_area(area: str, mutants: list[Mutant], hints: Mapping[str, str], results: Path, until: float) -> str:
    """Try mutants of an area: by its tests collected once, and what cannot be tried so the slow way."""
    if time.monotonic() > until:
        return ""
    code, problem = fork(lambda: _collected(area, mutants, hints, results, until), DAY)
    if code:
        return f"the tests of {area}: {problem or f'ended with {code}'}"
    done = earlier(results, mutants)
    for mutant in mutants:
        if mutant.key not in done and time.monotonic() < until:
            keep(results, mutant, *try_mutant(mutant, hints.get(mutant.key, "")))
    return ""


def _collected(
    area: str, mutants: list[Mutant], hints: Mapping[str, str], results: Path, until: float
) -> tuple[int, str]:
    """Try mutants in this process, which has the tests collected; return an exit code and what is wrong with them."""
    near, others = tests_of(CHECKOUT / mutants[0].path)
    named = {hints[mutant.key].partition("::")[0] for mutant in mutants if mutant.key in hints}
    files = sorted(name for name in named if (CHECKOUT / name).exists()) if hints else [*near, *others]
    trials = Trials(mutants, hints, until, lambda *what: keep(results, *what))
    if files:
        pytest.main([*PLAIN, f"--basetemp={PLACE / area}", *map(str, files)], plugins=[trials])
    problem = trials.problem if files else ""
    return int(bool(problem)), problem


def keep(results: Path, mutant: Mutant, became: str, noticed: str) -> None:
    """Write down what became of a mutant."""
    with results.open("a", encoding="utf-8") as file:
        file.write(json.dumps([mutant.key, *evidence(mutant, noticed), became, noticed]) + "\n")


def reasons() -> dict[str, str]:
    """Return why each known survivor may survive, by key."""
    lines = KNOWN.read_text(encoding="utf-8").splitlines() if KNOWN.exists() else []
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return {row[0]: row[3] for row in rows}


def tell(mutants: list[Mutant], outcomes: dict[str, str]) -> int:
    """Print the table and the survivors without a reason; return 1 where there are any."""
    known = reasons()
    survivors = [mutant for mutant in mutants if outcomes[mutant.key] == SURVIVED]
    unexplained = [mutant for mutant in survivors if mutant.key not in known]
    lines = list(_lines(survivors, known))
    (PLACE / "survivors.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    print("\n".join(_table(mutants, outcomes, known)))
    print("\n".join(_lines(unexplained, known)))
    total = Counter(outcomes.values())
    print(f"{total[KILLED]} passed, {len(unexplained)} failed, {total['']} skipped")
    return int(bool(unexplained))


def _lines(survivors: list[Mutant], known: dict[str, str]) -> Iterator[str]:
    for mutant in survivors:
        place = f"{mutant.path}:{mutant.line} {mutant.function}"
        yield f"{mutant.key}\t{place}\t{mutant.operator}: {mutant.change}\t{known.get(mutant.key, 'NO REASON')}"


def _table(mutants: list[Mutant], outcomes: dict[str, str], known: dict[str, str]) -> Iterator[str]:
    yield f"{'area':12} {'mutants':>8} {'tried':>6} {'killed':>7} {'excused':>8} {'survived':>9}  share killed"
    for area in sorted({mutant.area for mutant in mutants}):
        own = [mutant for mutant in mutants if mutant.area == area and outcomes[mutant.key] != SAME]
        counted = Counter(outcomes[mutant.key] for mutant in own)
        excused = sum(1 for mutant in own if outcomes[mutant.key] == SURVIVED and mutant.key in known)
        asked = counted[KILLED] + counted[SURVIVED]
        share = f"{counted[KILLED] / asked:.1%}" if asked else "-"
        yield (
            f"{area:12} {len(own):8} {asked:6} {counted[KILLED]:7} {excused:8} {counted[SURVIVED] - excused:9}  {share}"
        )


if __name__ == "__main__":
    sys.exit(main())
