# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plant typical defects in the model, one at a time in a copy of the checkout, and see that fuzz finds each.

python -m tests.fuzz.firewall.defects [--rulesets 300] [NAME ...]
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parents[3]
FIREWALL = "plugins/module_utils/firewall"


class Defect(NamedTuple):
    """A mistake that a model of a packet filter typically has: in which file what stands for what."""

    name: str
    file: str
    right: str
    wrong: str


DEFECTS = (
    Defect(
        "an outgoing interface is missing on the way in, instead of empty",
        "model/packet.py",
        'oif=self.leaves if shows_out else ""',
        "oif=self.leaves if shows_out else MISSING",
    ),
    Defect(
        "accept is final, later chains do not decide",
        "model/evaluate.py",
        "            if end.verdict.kind in (to.ACCEPT, to.UNKNOWN):\n",
        "            if end.verdict.kind == to.ACCEPT and not end.by_policy:\n"
        "                self._end(end.flow, OPEN, end.rule)\n"
        "            elif end.verdict.kind in (to.ACCEPT, to.UNKNOWN):\n",
    ),
    Defect(
        "NAT runs before everything else at its hook",
        "model/order.py",
        "by_priority.setdefault(priority, []).append(Station(NAT",
        "by_priority.setdefault(-199, []).append(Station(NAT",
    ),
    Defect(
        "the answer's way out is not looked at",
        "model/evaluate.py",
        "range(4 if packet.proto == TCP else 2)",
        "range(1)",
    ),
    Defect(
        "a mask over a field is ignored",
        "model/packet.py",
        "number if mask is None else number & mask",
        "number",
    ),
    Defect(
        "goto comes back like jump",
        "model/walk.py",
        "rule.verdict.kind != to.JUMP:",
        "rule.verdict.kind not in (to.JUMP, to.GOTO):",
    ),
    Defect(
        "before connections are tracked a packet is new",
        "model/packet.py",
        "_replace(ct_state=INVALID, ct_status=MISSING",
        "_replace(ct_state=NEW, ct_status=MISSING",
    ),
    Defect(
        "what the host sends itself passes the way in only",
        "model/evaluate.py",
        "(*_OUT, *_IN), (to.INGRESS",
        "_IN, (to.INGRESS",
    ),
    Defect(
        "a test of an IPv4 address does not ask for IPv4",
        "linux/nft_tests.py",
        "return [*asked.guards, *map(_of_sender, tests)]",
        "return [*map(_of_sender, tests)]",
    ),
    Defect(
        "a socket's device does not bound its sources",
        "model/exposure.py",
        'if device not in ("", interface):',
        "if not interface:",
    ),
)


def found_after(defect: Defect, rulesets: int, seed: str) -> str:
    """Given a defect, return after how many rulesets fuzz finds it, and by what, in words."""
    with tempfile.TemporaryDirectory(prefix="defect.") as folder:
        copy = Path(folder)
        shutil.copytree(CHECKOUT / "plugins", copy / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(CHECKOUT / "tests/fuzz", copy / "tests/fuzz", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(CHECKOUT / "tests/conftest.py", copy / "tests")
        place = copy / FIREWALL / defect.file
        text = place.read_text(encoding="utf-8")
        if text.count(defect.right) != 1:
            return f"NOT PLANTED: {defect.file} has {text.count(defect.right)} times {defect.right!r}"
        place.write_text(text.replace(defect.right, defect.wrong), encoding="utf-8")
        argv = [sys.executable, "-m", "tests.fuzz.firewall.fuzz", "--until-wrong", "--seed", seed]
        argv += ["--count", str(rulesets), "--cases", str(copy / "found")]
        printed = subprocess.run(argv, cwd=copy, capture_output=True, text=True, check=False).stdout
    tried = sum(int(number) for number in re.findall(r"^\w+: (\d+) rulesets", printed, re.M))
    wrong = [line for line in printed.splitlines() if line.startswith("! ") and " said " in line]
    if not wrong:
        return f"NOT FOUND in {tried} rulesets"
    found = f"{wrong[0][2:220]}"
    return (
        f"NOT IT, wrong without it too: {found}" if is_wrong_anyway(found) else f"found after {tried} rulesets: {found}"
    )


def is_wrong_anyway(found: str) -> bool:
    """Given what fuzz says of a ruleset, ``KIND SEED: ...``, return whether it says so of this checkout as well."""
    argv = [sys.executable, "-m", "tests.fuzz.firewall.fuzz", "--one", found.partition(":")[0]]
    with tempfile.TemporaryDirectory(prefix="anyway.") as folder:
        argv += ["--cases", folder]
        return subprocess.run(argv, cwd=CHECKOUT, capture_output=True, check=False).returncode != 0


def main() -> int:
    """Plant them; end with 1 where one is not found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="words of the defects to plant; all without any")
    parser.add_argument("--rulesets", type=int, default=300)
    parser.add_argument("--seed", default="defect")
    options = parser.parse_args()
    missed = 0
    for defect in DEFECTS:
        if not options.names or any(name in defect.name for name in options.names):
            result = found_after(defect, options.rulesets, options.seed)
            missed += "NOT" in result.partition(":")[0]
            print(f"{defect.name}\n    {result}", flush=True)
    return int(bool(missed))


if __name__ == "__main__":
    raise SystemExit(main())
