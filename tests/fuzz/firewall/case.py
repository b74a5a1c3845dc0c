# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rulesets with the kernel's own answers, kept as files: cases/NAME.json.

``load`` is a list of loaders, each a command of a shell and the lines of its stdin. ``answers`` has for some pairs
(socket, family, source) what the kernel does; ``unknown_because`` says why the product may not know there. ``lab`` is
"bridged" where va is to be a port of the bridge br0; ``sockets`` are to wait beside those of every lab.

    python -m tests.fuzz.firewall.case NAME ...    run them, and print kernel and product side by side
    python -m tests.fuzz.firewall.case --record NAME ...    write the kernel's answers into the files
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple

from .judge import FILTERED, OPEN, UNKNOWN, Outcome, Said, alone, judge
from .lab import Lab
from .points import HOST, PORTS, Pair, Waiting

FOLDER = Path(__file__).resolve().parent / "cases"


class Case(NamedTuple):
    """One ruleset with the kernel's answers."""

    name: str
    about: str
    load: list[list[str]]
    answers: dict[Pair, str]
    ids: tuple[str, ...] = ()
    unknown_because: str = ""
    lab: str = ""
    sockets: tuple[Waiting, ...] = ()

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports to knock at."""
        return tuple(dict.fromkeys((*PORTS, *(one.port for one in self.sockets))))

    def make_lab(self) -> Lab:
        """Return the lab that it takes."""
        return Lab(bridged=self.lab == "bridged", sockets=self.sockets)


def read(path: Path) -> Case:
    """Given its file, return a case."""
    fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    fields["answers"] = {Pair(*row[:3]): row[3] for row in fields["answers"]}
    fields["sockets"] = tuple(Waiting(**row) for row in fields.get("sockets", ()))
    return Case(path.stem, **{**fields, "ids": tuple(fields.get("ids", ()))})


def write(case: Case, folder: Path = FOLDER) -> None:
    """Keep a case in its file."""
    fields: dict[str, Any] = {"about": case.about, "load": case.load}
    fields["answers"] = [[*pair, answer] for pair, answer in case.answers.items()]
    fields.update({name: value for name, value in (("ids", list(case.ids)), ("lab", case.lab)) if value})
    fields.update({"unknown_because": case.unknown_because} if case.unknown_because else {})
    fields.update({"sockets": [one._asdict() for one in case.sockets]} if case.sockets else {})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{case.name}.json").write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")


def names() -> list[str]:
    """Return the names of all cases."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def faults(case: Case, outcome: Outcome) -> list[str]:
    """Given a case and what became of it, return one line for each answer that is not as it should be."""
    lines = [f"the product failed: {outcome.error}"] if outcome.error else []
    for pair, answer in case.answers.items() if not outcome.error else ():
        real = OPEN if outcome.kernel[pair] else FILTERED
        said = outcome.said[pair]
        if real != answer:
            lines.append(f"{' '.join(map(str, pair))}: the kernel says {real} and not {answer}, as it once did")
        if said.verdict not in ((answer, UNKNOWN) if case.unknown_because else (answer,)):
            lines.append(f"{' '.join(map(str, pair))}: {answer} in truth, {said.verdict} by {said.rule!r}")
    lines += [
        f"{' '.join(map(str, wrong.pair))}: {wrong.kernel} in truth, {wrong.said.verdict} by {wrong.said.rule!r}"
        for wrong in outcome.wrong
        if wrong.pair not in case.answers
    ]
    return lines


def run(case: Case, lab: Lab) -> tuple[Outcome, list[str]]:
    """Run a case in a lab made for it, return its outcome and its faults.

    Where the kernel's answer to many knocks at once is not the kept one, the pair is tried alone, as it was then.
    """
    outcome = judge(lab, case.load, ports=case.ports)
    for pair, answer in case.answers.items():
        if pair in outcome.kernel and outcome.kernel[pair] != (answer == OPEN):
            outcome = outcome._replace(kernel={**outcome.kernel, pair: alone(lab, case.load, pair, case.ports)})
    return outcome, faults(case, outcome)


def main() -> int:
    """Run or record cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases, or how their names begin; all without any")
    parser.add_argument("--record", action="store_true", help="write the kernel's answers into the files")
    parser.add_argument("--all", action="store_true", help="print all pairs, not only those of the file")
    options = parser.parse_args()
    failed = 0
    for name in [each for each in names() if each.startswith(tuple(options.names or [""]))]:
        case = read(FOLDER / f"{name}.json")
        with case.make_lab() as lab:
            outcome, found = run(case, lab)
            if options.record:
                kernel = {pair: OPEN if alone(lab, case.load, pair, case.ports) else FILTERED for pair in case.answers}
                write(case._replace(answers=kernel))
        failed += bool(found)
        _print(case, outcome, found, all_pairs=options.all)
    return int(bool(failed))


def _print(case: Case, outcome: Outcome, found: list[str], *, all_pairs: bool) -> None:
    print(f"{'FAILED' if found else 'passed'} {case.name}: {case.about}")
    for pair in outcome.said if all_pairs else case.answers:
        said = outcome.said.get(pair, Said("?", outcome.error[-300:]))
        print(f"    {' '.join(map(str, pair)):45} kernel {OPEN if outcome.kernel.get(pair) else FILTERED:9}", end="")
        print(f"product {said.verdict:9} {said.rule}")
    for line in found:
        print(f"    ! {line}")


__all__ = ["FOLDER", "HOST", "Case", "faults", "names", "read", "run", "write"]

if __name__ == "__main__":
    raise SystemExit(main())
