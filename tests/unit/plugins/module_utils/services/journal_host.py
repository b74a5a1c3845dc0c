# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A journal that answers as journalctl(1) does: matches of one field are alternatives, + stands between groups.

It errs as journalctl errs: with exit code 0 it may say on standard error that it did not show everything.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.process import Completed

SCHEDULED = "5eb03494b6584870a536b337290809b3"
STARTED = "39f53479d3a045ac8e11786248231fbf"
UP = "b07a249cd024414a82dd00cd181378ff"
BOOT = "boot1"  # the journal writes boot ids without dashes


def entry(at, **fields):
    """Return an entry of systemd itself at a moment (epoch); any other with the fields of its writer."""
    given = {"_PID": "1", "_UID": "0", "_SYSTEMD_UNIT": "init.scope", "PRIORITY": "6", "_BOOT_ID": BOOT, **fields}
    return {"__REALTIME_TIMESTAMP": str(round(at * 1e6)), **given}


def started(at, unit="cryptobot-auth.service", **fields):
    """Return the entry of a start, whoever asked for it."""
    return entry(at, MESSAGE_ID=STARTED, UNIT=unit, **fields)


def scheduled(at, unit="cryptobot-auth.service", **fields):
    """Return the entry of an automatic restart; its start follows."""
    return entry(at, MESSAGE_ID=SCHEDULED, UNIT=unit, **fields)


class JournalHost(FakeHost):
    """``kept`` is what the journal has kept, ``hint`` what journalctl says on standard error besides."""

    kept: Sequence[Any] = ()
    hint = ""

    def run(self, argv, *, timeout=60.0, stdin=None, env=None, expect=(0,)):
        if argv[0] != "journalctl":
            return super().run(argv, timeout=timeout, stdin=stdin, env=env, expect=expect)
        self.ran.append(" ".join(argv))
        shown = [line if isinstance(line, str) else json.dumps(line) for line in self._shown(argv)]
        return Completed(tuple(argv), 0, "".join(f"{line}\n" for line in shown), self.hint)

    def _shown(self, argv):
        options = dict(word.split("=", 1) for word in argv if word.startswith("--") and "=" in word)
        since, until = (
            float(options.get(name, f"@{default}")[1:]) for name, default in (("--since", 0), ("--until", 1e12))
        )
        most = int(argv[argv.index("-n") + 1]) if "-n" in argv else 10**9
        groups = [[]]
        for word in argv[1:]:
            if word == "+":
                groups.append([])
            elif "=" in word and not word.startswith("-"):
                groups[-1].append(word.split("=", 1))
        found = [
            each
            for each in self.kept
            if isinstance(each, str) or (since <= _at(each) and any(_fits(each, group) for group in groups))
        ]
        # journalctl of systemd 247 to 253 (src/journal/journalctl.c): without --reverse, -n seeks from the end of all
        # entries, and those after --until are left out of what that gave
        last = found if "--reverse" in argv else found[-most:]
        return [each for each in last if isinstance(each, str) or _at(each) <= until][-most:]


def _at(each):
    return int(each["__REALTIME_TIMESTAMP"]) / 1e6


def _fits(each, group):
    names = {name for name, _value in group}
    return all(any(each.get(name) == value for key, value in group if key == name) for name in names)
