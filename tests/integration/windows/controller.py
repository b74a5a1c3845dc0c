# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A controller: `ansible` from this environment, run as a user runs it, its results read back."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible import release

CORE = tuple(int(word) for word in release.__version__.split(".")[:2])
CHECKOUT = Path(__file__).resolve().parents[3]
ANSIBLE = Path(sys.executable).with_name("ansible")
HEADLINE = re.compile(r"^(\S+) \| (\w+)!? ?=> ?", re.MULTILINE)


@dataclass(frozen=True)
class Printed:
    """What one run printed: the result of each host, and everything as text."""

    results: dict[str, dict[str, Any]]
    text: str


def environment() -> dict[str, str]:
    """Return an environment in which the checkout is installed as a collection, and results are printed as JSON."""
    cache = os.environ.get("CRYPTOBOT_TEST_CACHE") or str(Path.home() / ".cache" / "cryptobot-maintenance")
    found = [str(CHECKOUT / ".collections"), str(Path(cache) / "collections")]
    return {
        **os.environ,
        "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(found),
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        "ANSIBLE_NOCOLOR": "1",
    }


def ansible(inventory: str, module: str, arguments: Mapping[str, Any], *options: str) -> Printed:
    """Run one module on all hosts of an inventory. Arguments go by a file: a command line is too short for some."""
    variables = Path(f"{inventory}.arguments")
    variables.write_text(json.dumps({"given": arguments}), encoding="utf-8")
    words = json.dumps({name: f"{{{{ given['{name}'] }}}}" for name in arguments})
    argv = [str(ANSIBLE), "all", "-i", inventory, "-m", f"cryptobot.maintenance.{module}", "-a", words]
    argv += ["-e", f"@{variables}", *options]
    pipes = {"capture_output": True, "text": True, "timeout": 300}
    ended = subprocess.run(argv, env=environment(), cwd=CHECKOUT, check=False, **pipes)
    return Printed(results(ended.stdout), ended.stdout + ended.stderr)


def results(printed: str) -> dict[str, dict[str, Any]]:
    """Given what `ansible` printed, return each host's result; whether it failed is in its headline."""
    decoder = json.JSONDecoder()
    return {
        host: {"failed": status == "FAILED", **decoder.raw_decode(printed, found.end())[0]}
        for found in HEADLINE.finditer(printed)
        for host, status in [found.groups()]
    }
