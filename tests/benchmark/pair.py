# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure two commands in turn, A B A B, so that a machine whose speed drifts is as unfair to one as to the other."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LEFT_OUT = 77  # what a benchmark ends with that this machine cannot run, its reason the last line on stderr


@dataclass(frozen=True)
class Cost:
    """What one run of a command took: ``wall`` and ``cpu`` (it and its children, user and system) in seconds, and what
    it printed.
    """

    wall: float
    cpu: float
    printed: str = ""


def measure(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], expect: Sequence[int] = (0,)) -> Cost:
    """Run a command to its end and return its cost. Raise RuntimeError with what it printed where it fails."""
    before, begun = os.times(), time.monotonic()
    ended = subprocess.run(list(argv), cwd=cwd, env=dict(env), capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - begun, os.times()
    if ended.returncode not in expect:
        raise RuntimeError(f"{argv[0]} ended with {ended.returncode}\n{ended.stdout[-4000:]}{ended.stderr[-4000:]}")
    cpu = (after.children_user - before.children_user) + (after.children_system - before.children_system)
    return Cost(wall, cpu, ended.stdout)


def emit(identity: str, ours: Sequence[float], peer: Sequence[float], unit: str, aim: float) -> None:
    """Print one line of .bench/results.json: the medians, and the peer's cost divided by ours."""
    mine, theirs = statistics.median(ours), statistics.median(peer)
    line = {"id": identity, "ours": round(mine, 3), "peer": round(theirs, 3), "unit": unit}
    print(json.dumps({**line, "ratio": round(theirs / mine, 2), "aim": aim}), flush=True)
    print(
        f"{identity}: ours {mine:.2f} {unit}, peer {theirs:.2f} {unit}, peer/ours {theirs / mine:.2f} (aim {aim})",
        file=sys.stderr,
    )
