# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plant small mistakes in everything that decides, one at a time, and see whether the area's unit tests notice.

`run.py` tries all mutants, for at most --minutes; it goes on where the last call stopped (.mutate/results.jsonl).
`run.py --sample 160` tries a fixed sample over all areas, the same one as long as the lines it is drawn from stay. A
mutant that survives fails the run unless tests/survivors.tsv has it with a reason. The last lines are the share killed,
area by area, and .mutate/survivors.txt lists the others.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from mutants import CHECKOUT, Mutant, files_that_decide, mutants_of
from trial import KILLED, SAME, SURVIVED, passes, prepare, tests_of, try_mutant

PLACE = CHECKOUT / ".mutate"
KNOWN = CHECKOUT / "tests" / "survivors.tsv"


def main() -> int:
    """Try what was asked for; return 1 where a mutant survived without a reason, or the tests fail without one."""
    options = parse_arguments()
    PLACE.mkdir(exist_ok=True)
    prepare(PLACE)
    mutants = chosen_mutants(options)
    done = earlier(PLACE / "results.jsonl")
    wanted = [mutant for mutant in mutants if options.anew or result_key(mutant) not in done]
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("fork")) as pool:
        if not sound(pool, mutants if options.sample else wanted):
            return 1
        done |= tried(pool, wanted, time.monotonic() + options.minutes * 60)
    return tell(mutants, {mutant.key: done.get(result_key(mutant), "") for mutant in mutants})


def parse_arguments() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("areas", nargs="*", help="only these areas")
    parser.add_argument("--sample", type=int, default=0, help="a fixed sample of this many, spread over the areas")
    parser.add_argument("--minutes", type=float, default=60.0, help="when to stop (default: 60)")
    parser.add_argument("--jobs", type=int, default=2, help="trials side by side (default: 2)")
    parser.add_argument("--anew", action="store_true", help="try those again whose result is known")
    return parser.parse_args()


def chosen_mutants(options: argparse.Namespace) -> list[Mutant]:
    """Return the mutants of the areas asked for: all, or from each area those whose keys come first."""
    by_area = defaultdict(list)
    for path in files_that_decide():
        for mutant in mutants_of(path):
            if not options.areas or mutant.area in options.areas:
                by_area[mutant.area].append(mutant)
    if options.sample:
        share = -(-options.sample // max(1, len(by_area)))
        by_area = {area: sorted(found)[:share] for area, found in by_area.items()}
    return [mutant for found in by_area.values() for mutant in sorted(found)]


def result_key(mutant: Mutant) -> str:
    """Return the name of a result: it holds for one state of the file and of the area's tests."""
    near, others = tests_of(CHECKOUT / mutant.path)
    return f"{mutant.key} {_digest((CHECKOUT / mutant.path, *near, *others))}"


_DIGESTS: dict[tuple[Path, ...], str] = {}


def _digest(paths: tuple[Path, ...]) -> str:
    if paths not in _DIGESTS:
        _DIGESTS[paths] = hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()[:12]
    return _DIGESTS[paths]


def earlier(path: Path) -> dict[str, str]:
    """Return what became of mutants in earlier calls; a line that was cut by a kill is left out."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            key, outcome = json.loads(line)
        except ValueError:
            continue
        found[key] = outcome
    return found


def sound(pool: Executor, mutants: list[Mutant]) -> bool:
    """Return whether the near tests pass without a mistake: else every mutant would count as killed."""
    paths = sorted({area: CHECKOUT / path for area, path in sorted((m.area, m.path) for m in mutants)}.values())
    broken = [path for path, good in zip(paths, pool.map(_passes_as_it_is, paths)) if not good]
    for path in broken:
        print(f"the tests of {path.relative_to(CHECKOUT)} fail without any mistake planted: mend them first")
    return not broken


def _passes_as_it_is(path: Path) -> bool:
    near, others = tests_of(path)
    return passes(path, path.read_text(encoding="utf-8"), near or others)


def tried(pool: Executor, mutants: list[Mutant], until: float) -> dict[str, str]:
    """Given mutants, try them until the time is up; each result is kept as soon as it is there."""
    found = {}
    with (PLACE / "results.jsonl").open("a", encoding="utf-8") as results:
        for mutant, outcome in zip(mutants, pool.map(partial(try_before, until), mutants)):
            if outcome:
                found[result_key(mutant)] = outcome
                results.write(json.dumps([result_key(mutant), outcome]) + "\n")
                results.flush()
    return found


def try_before(end: float, mutant: Mutant) -> str:
    """Given a moment of the monotonic clock, return what became of a mutant, or nothing where it is past."""
    return try_mutant(mutant) if time.monotonic() < end else ""


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
