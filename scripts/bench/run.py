# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the benchmarks tests/benchmark/bench_*.py, one after the other, and write .bench/results.json.

A benchmark prints one JSON object a line, {"id", "ours", "peer", "unit", "ratio", "aim"}, and talks to people on
stderr. The file is a list of them. Ends with 1 when a benchmark broke off; what the others measured is
written. One that ends with 77 cannot run on this machine: it is left out, and the last line that it said is why.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
RESULTS = CHECKOUT / ".bench" / "results.json"
LEFT_OUT = 77  # as in tests/benchmark/pair.py
KEYS = {"id", "ours", "peer", "unit", "ratio", "aim"}

Row = dict[str, object]


class BenchmarkError(Exception):
    """A benchmark broke off or printed something else than results."""


class LeftOutError(Exception):
    """A benchmark cannot run on this machine."""


def main() -> int:
    """Run the benchmarks that the command line names, or all; return the exit code."""
    benchmarks = {path.stem: path for path in sorted((CHECKOUT / "tests/benchmark").glob("bench_*.py"))}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*benchmarks, []], metavar="NAME", help=", ".join(benchmarks))
    names = parser.parse_args().names or list(benchmarks)
    rows: list[Row] = []
    broken: dict[str, str] = {}
    left_out = {name: "not asked for" for name in benchmarks if name not in names}
    for name in names:
        try:
            rows += rows_of(run(benchmarks[name]))
        except LeftOutError as reason:
            left_out[name] = str(reason)
        except BenchmarkError as error:
            broken[name] = str(error)
    write(rows, RESULTS)
    print(table(rows))
    for word, which in (("left out", left_out), ("broke off", broken)):
        for name, why in which.items():
            print(f"{word}: {name} ({why})")
    print(f"{len(rows)} results in {RESULTS}; {len(broken)} of {len(names)} benchmarks broke off")
    return int(bool(broken) or not rows)


def run(benchmark: Path) -> str:
    """Given a benchmark, return what it printed. Raise LeftOutError, or BenchmarkError when it ended with no 0."""
    print(f"== {benchmark.name}", flush=True)
    ended = subprocess.run([sys.executable, benchmark], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    sys.stderr.write(ended.stderr)
    if ended.returncode == LEFT_OUT:
        raise LeftOutError((ended.stderr.strip().splitlines() or ["it does not say why"])[-1])
    if ended.returncode:
        raise BenchmarkError(f"ended with {ended.returncode}")
    return ended.stdout


def rows_of(printed: str) -> list[Row]:
    """Given what a benchmark printed, return its results. Raise BenchmarkError where a line is none."""
    rows = []
    for line in filter(None, map(str.strip, printed.splitlines())):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise BenchmarkError(f"printed what is no JSON: {line[:200]}") from error
        if not isinstance(row, dict) or set(row) != KEYS:
            raise BenchmarkError(f"a result has the keys {', '.join(sorted(KEYS))}, not: {line[:200]}")
        rows.append(row)
    if not rows:
        raise BenchmarkError("printed no result")
    return rows


def write(rows: list[Row], path: Path) -> None:
    """Write the rows; a reader sees the old file or the new one."""
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)


def table(rows: list[Row]) -> str:
    """Return the rows for people: peer/ours above the aim is good."""
    lines = [f"{'id':<40} {'ours':>10} {'peer':>10} {'unit':<6} {'ratio':>7} {'aim':>6}"]
    lines += ["{id:<40} {ours:>10} {peer:>10} {unit:<6} {ratio:>7} {aim:>6}".format(**row) for row in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
