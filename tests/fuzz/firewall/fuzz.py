# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random rulesets against the kernel: ``python -m tests.fuzz.firewall.fuzz --seed 1 --count 300 --class plain``.

Several labs work side by side. What is wrong is shrunk and kept as a case; the report ends with the figures, and the
program with 1 where anything was wrong. A seed gives the same rulesets again, whatever the number of labs.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from .case import FOLDER, Case, write
from .generator import ALONE, EXOTIC, PLAIN, Loads, generate
from .judge import Outcome, Wrong, judge
from .lab import Lab, LoadError
from .shrink import loadable, shrink

CLASSES = {"plain": (PLAIN,), "exotic": (EXOTIC,), "all": (PLAIN, EXOTIC), "alone": (ALONE,)}
_RENEW_AFTER = 100  # rulesets in the same namespaces
_MAY = "found by fuzz: what is not modelled may be unknown"
_SHRINKS = 8  # of each lab and run: a fault that shows in every ruleset is shrunk once


@dataclass
class Tally:
    """The figures of one class."""

    rulesets: int = 0
    pairs: int = 0
    opened: int = 0
    unknown: int = 0
    dropped: int = 0
    lines: int = 0
    unstable: int = 0
    wrong: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    causes: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Count another's figures too."""
        for name in ("rulesets", "pairs", "opened", "unknown", "dropped", "lines", "unstable"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.wrong += other.wrong
        self.errors += other.errors
        self.causes += other.causes


def cause(rule: str) -> str:
    """Given what decides, return its kind: without names of tables, handles, addresses and numbers."""
    text = re.sub(r"^(?:iptables-\w+ )?\w+ t?\w+ [\w-]+(?: handle \d+| rule \d+)?: ", "", rule)
    text = re.sub(r'"[^"]*"|[0-9a-f:.]*[:.][0-9a-f:./]+|\b0x[0-9a-f]+|\b\d+\b', "N", text)
    return re.sub(r"N(?:[-, /.]+N)+", "N", text)[:110]


class Worker:
    """One lab and what it has seen."""

    def __init__(self, lab: Lab, options: argparse.Namespace) -> None:
        self._lab, self._options = lab, options
        self._shrunk: set[tuple[str, str]] = set()
        self._count = 0

    def try_one(self, seed: str, kind: str) -> Tally:
        """Try the ruleset of a seed and return its figures."""
        self._count += 1
        if self._count % _RENEW_AFTER == 0:
            self._lab.renew()
        wanted = generate(seed, kind)
        loads, dropped = loadable(self._lab, wanted)
        outcome = judge(self._lab, loads, loaded=True)
        tally = _figures(wanted, dropped, outcome)
        if outcome.error:
            tally.errors.append(f"{kind} {seed}: {outcome.error.strip().splitlines()[-1]}")
        if self._options.twice:
            again = judge(self._lab, loads, most=0)
            tally.unstable = sum(again.kernel.get(pair) != is_open for pair, is_open in outcome.kernel.items())
        for number, wrong in enumerate(outcome.wrong):
            tally.wrong.append(self._report(seed, kind, number, loads, wrong))
        return tally

    def _report(self, seed: str, kind: str, number: int, loads: Loads, wrong: Wrong) -> str:
        mark = (wrong.kernel, cause(wrong.said.rule))
        text = f"{kind} {seed}: {' '.join(map(str, wrong.pair))} is {wrong.kernel}, said {wrong.said}"
        if self._options.no_shrink or mark in self._shrunk or len(self._shrunk) >= _SHRINKS:
            return f"{text} (not shrunk)"
        self._shrunk.add(mark)
        least = shrink(self._lab, loads, wrong)
        name = f"found-{kind}-{seed}-{number}"
        about = f"found by fuzz, said {wrong.said.verdict} by: {wrong.said.rule}"[:300]
        write(Case(name, about, least, {wrong.pair: wrong.kernel}, unknown_because=_MAY), Path(self._options.cases))
        return "\n    ".join([text, f"kept as {name}", *(line for load in least for line in load)])


def _figures(wanted: Loads, dropped: int, outcome: Outcome) -> Tally:
    unknown = outcome.unknown
    causes: Counter[str] = Counter()
    for rule, count in unknown.items():
        causes[cause(rule)] += count
    opened = sum(outcome.kernel.values())
    lines = sum(len(load) for load in wanted)
    return Tally(1, len(outcome.said), opened, sum(unknown.values()), dropped, lines, causes=causes)


def work(number: int, options: argparse.Namespace, until: float, results: Any, enough: Any) -> None:
    """Try every n-th ruleset in a lab of its own and put (class, figures) on the queue, until there is ``enough``."""
    kinds = CLASSES[options.kind]
    with Lab() as lab:
        worker = Worker(lab, options)
        for place in range(number, options.count, options.labs):
            if time.monotonic() > until or enough.is_set():
                break
            kind = kinds[place % len(kinds)]
            try:
                results.put((kind, worker.try_one(f"{options.seed}-{place}", kind)))
            except LoadError:  # what loads once and not a second time, by itself
                results.put((kind, Tally(1, lines=1, dropped=1)))
            except Exception as error:  # noqa: BLE001 - a ruleset that breaks the lab is told, and the lab made anew
                results.put(
                    (kind, Tally(1, errors=[f"{kind} {options.seed}-{place}: the lab failed: {error!r}"[:600]]))
                )
                lab.renew()
    results.put(None)


def run(options: argparse.Namespace) -> dict[str, Tally]:
    """Run the labs and return the figures by class."""
    until = time.monotonic() + (options.minutes * 60 if options.minutes else 10**9)
    results, enough = multiprocessing.Queue(), multiprocessing.Event()
    labs = [
        multiprocessing.Process(target=work, args=(n, options, until, results, enough)) for n in range(options.labs)
    ]
    for lab in labs:
        lab.start()
    tallies = {kind: Tally() for kind in CLASSES[options.kind]}
    running, began = len(labs), time.monotonic()
    while running:
        result = results.get()
        if result is None:
            running -= 1
            continue
        kind, tally = result
        tallies[kind].add(tally)
        if tally.wrong and options.until_wrong:
            enough.set()
        for line in (*tally.wrong, *tally.errors):
            print(f"! {line}", flush=True)
        _progress(tallies, time.monotonic() - began)
    for lab in labs:
        lab.join()
    return tallies


def _progress(tallies: dict[str, Tally], seconds: float) -> None:
    done = sum(tally.rulesets for tally in tallies.values())
    if done % 50 == 0:
        wrong = sum(len(tally.wrong) for tally in tallies.values())
        print(f"{done} rulesets in {seconds:.0f} s, {wrong} wrong", file=sys.stderr, flush=True)


def report(tallies: dict[str, Tally], seconds: float) -> None:
    """Print the figures."""
    for kind, tally in tallies.items():
        share = 100 * tally.unknown / max(1, tally.pairs)
        print(
            f"{kind}: {tally.rulesets} rulesets, {tally.pairs} pairs ({tally.opened} open), {len(tally.wrong)} wrong, "
            f"unknown {share:.2f} %, {tally.dropped} of {tally.lines} lines do not load, {len(tally.errors)} errors"
            f"{f', {tally.unstable} unstable' if tally.unstable else ''}"
        )
        for text, count in tally.causes.most_common(40):
            print(f"    unknown {count:6}  {text}")
    done = sum(tally.rulesets for tally in tallies.values())
    print(f"{done / max(seconds, 1) * 60:.0f} rulesets a minute")


def main(argv: Optional[list[str]] = None) -> int:
    """Fuzz, and end with 1 where anything is wrong or failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", default="1")
    parser.add_argument("--count", type=int, default=10**9)
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--class", dest="kind", choices=sorted(CLASSES), default="all")
    parser.add_argument("--labs", type=int, default=2)
    parser.add_argument("--no-shrink", action="store_true")
    parser.add_argument(
        "--until-wrong", action="store_true", help="stop at the first ruleset of which a verdict is wrong"
    )
    parser.add_argument("--twice", action="store_true", help="knock twice, and count answers that differ")
    parser.add_argument("--cases", default=str(FOLDER), help="the folder for what is found")
    parser.add_argument("--one", metavar="SEED", help="print the ruleset of a seed (CLASS SEED), try it alone")
    options = parser.parse_args(argv)
    if options.one:
        kind, seed = options.one.split()
        print(json.dumps(generate(seed, kind), indent=1))
        with Lab() as lab:
            tally = Worker(lab, options).try_one(seed, kind)
        print(tally)
        return int(bool(tally.wrong or tally.errors))
    began = time.monotonic()
    tallies = run(options)
    report(tallies, time.monotonic() - began)
    return int(any(tally.wrong or tally.errors for tally in tallies.values()))


if __name__ == "__main__":
    raise SystemExit(main())
