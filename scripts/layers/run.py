# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run layers of the tests: `run.py lint` shows its output, `run.py --all` runs all of them, some at a time, to logs.

A layer that this machine cannot run is skipped with the reason. With CI=true, as root on Debian, where every layer
can run, such a skip is a failure. The last line reads "N passed, N failed, N skipped".
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Lock

from command import run_command
from outcome import SKIPPED, Counts, Outcome, counts_of_step, failed_tests
from table import AT_A_TIME, CHECKOUT, COLLECTIONS, LAYERS, ON_FREE_PORTS, ORDER, OWN_NETWORK, Layer, Step

LOGS = CHECKOUT / ".logs"
FREE_PORTS = Lock()
TAIL = 150  # lines of a failed layer's log that are shown


def main() -> int:
    """Run what the command line names; return 1 when anything failed."""
    options = parse_arguments()
    LOGS.mkdir(exist_ok=True)
    outcomes = run_all() if options.all else [run_layer(LAYERS[name], shown=True) for name in options.layers]
    print()
    for outcome in outcomes:
        print(outcome.line())
    # last, and short: whoever sees only the end of a long output sees what to look at
    print("".join(f"FAILED {outcome.layer}: {line}\n" for outcome in outcomes for line in outcome.red), end="")
    print(sum((outcome.counts for outcome in outcomes), Counts()))
    return int(any(outcome.failed for outcome in outcomes))


def parse_arguments() -> argparse.Namespace:
    """Return the options; exit with 2 when they make no sense."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layers", nargs="*", choices=[*LAYERS, []], metavar="LAYER", help=", ".join(LAYERS))
    parser.add_argument("--all", action="store_true", help="every layer, side by side where it pays")
    options = parser.parse_args()
    if bool(options.layers) == options.all:
        parser.error("name layers, or say --all")
    return options


def run_all() -> list[Outcome]:
    """Run every layer, some side by side. What they need comes first: apt works for one at a time."""
    started = time.monotonic()
    for name in ORDER:
        lacking(LAYERS[name])
    apart = subprocess.run((OWN_NETWORK, "--possible"), cwd=CHECKOUT, check=False).returncode == 0
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        outcomes = list(pool.map(lambda name: run_beside(name, apart=apart), ORDER))
    print(f"all layers in {time.monotonic() - started:.0f} s; logs are in {LOGS}")
    return outcomes


def run_beside(name: str, *, apart: bool) -> Outcome:
    """Given a layer's name, run it to its log while others run, but not beside one that wants the same ports: where
    they are ``apart``, their networks are not the same.
    """
    with FREE_PORTS if name in ON_FREE_PORTS and not apart else nullcontext():
        return run_layer(LAYERS[name], shown=False)


def run_layer(layer: Layer, *, shown: bool) -> Outcome:
    """Given a layer, run its steps, on the terminal when ``shown``, and return its outcome."""
    started = time.monotonic()
    log = LOGS / f"{layer.name}.log"
    log.write_text("", encoding="utf-8")
    reason = lacking(layer)
    outcome = skip(layer, reason) if reason else run_steps(layer, log, shown=shown)
    outcome = replace(outcome, seconds=time.monotonic() - started)
    if not shown:
        announce(outcome, log)
    return outcome


def skip(layer: Layer, reason: str) -> Outcome:
    """Given why a layer cannot run here, return how it ended: failed in CI, where all layers must run."""
    if os.environ.get("CI") == "true" and os.geteuid() == 0 and shutil.which("dpkg-query"):
        return Outcome(layer.name, Counts(failed=1), notes=(f"CI must not skip it: {reason}",))
    return Outcome(layer.name, Counts(skipped=1), notes=(reason,))


def lacking(layer: Layer) -> str:
    """Given a layer, have what it needs; return why this machine cannot run it, or nothing."""
    for argv in layer.needs:
        tried = subprocess.run(argv, cwd=CHECKOUT, env=environment(layer), capture_output=True, text=True, check=False)
        if tried.returncode:
            said = (tried.stderr + tried.stdout).strip().splitlines()
            return said[-1] if said else f"{' '.join(argv)} ended with {tried.returncode}"
    return ""


def run_steps(layer: Layer, log: Path, *, shown: bool) -> Outcome:
    """Given a layer, run all its steps, also after one failed, and return how they ended."""
    counts, notes, red, env = Counts(), [], [], environment(layer)
    for number, step in enumerate(layer.steps):
        junit = LOGS / f"{layer.name}.{number}.xml"
        junit.unlink(missing_ok=True)
        code, last_line = run_step(step, junit, log, env, shown=shown)
        counts += counts_of_step(code, junit)
        red += failed_tests(junit)
        if code:
            notes.append(f"{step.name}: {last_line}" if code == SKIPPED else f"{step.name} ended with {code}")
    return Outcome(layer.name, counts, notes=tuple(notes), red=tuple(red))


def run_step(step: Step, junit: Path, log: Path, env: dict[str, str], *, shown: bool) -> tuple[int, str]:
    """Given a step, run it, and return its exit code and the last line that it printed."""
    headline = f"== {step.name}\n"
    with log.open("a", encoding="utf-8") as sink:
        sink.write(headline)
    if shown:
        print(headline, end="", flush=True)
    argv = [*step.argv, f"--junitxml={junit}"] if step.counted else list(step.argv)
    return run_command(argv, log, env, shown=shown)


def announce(outcome: Outcome, log: Path) -> None:
    """Print how a layer of many ended, with the end of its log when it failed. One write: layers print side by side."""
    text = outcome.line()
    if outcome.failed:
        tail = log.read_text(encoding="utf-8").splitlines()[-TAIL:]
        text = "\n".join([text, *(f"  {outcome.layer}| {line}" for line in tail)])
    print(text, flush=True)


def environment(layer: Layer) -> dict[str, str]:
    """Given a layer, return its environment: .venv first on PATH, and other collections only where it needs them."""
    found = [str(CHECKOUT / ".collections")]
    if COLLECTIONS in layer.needs:
        cache = os.environ.get("CRYPTOBOT_TEST_CACHE") or Path.home() / ".cache" / "cryptobot-maintenance"
        found.append(str(Path(cache) / "collections"))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return {
        **inherited,
        "PATH": f"{CHECKOUT / '.venv' / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(found),
        "ANSIBLE_NOCOLOR": "1",
        "PY_COLORS": "0",  # pytest and molecule
        "PYTHONUNBUFFERED": "1",
    }


if __name__ == "__main__":
    sys.exit(main())
