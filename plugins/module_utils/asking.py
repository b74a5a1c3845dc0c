# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking a tool so that "there is nothing" and "I could not look" never look the same.

Many tools end with 1 for both: journalctl and grep where nothing fits, and where they were built without the matcher,
may not read the journal or do not know an option. What tells them apart is standard error.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Optional

from .errors import SourceDenied, ToolFailed
from .host import Host

_SHOWN = 3  # complaints in one reason


class Answer(NamedTuple):
    """What a tool printed. ``complaints`` are the lines of its standard error: what it may have left out, and why."""

    text: str
    complaints: tuple[str, ...] = ()

    def whole(self, source: str) -> str:
        """Return what was printed. Raise SourceDenied where the tool complained: then it may not be all.

        Some tools end with 0 though they were refused what they were asked for, and say so on standard error alone.
        """
        if self.complaints:
            raise SourceDenied(source, "; ".join(self.complaints[:_SHOWN]))
        return self.text


def ask(
    host: Host,
    argv: Sequence[str],
    *,
    nothing: Collection[int] = (),
    harmless: str = r"(?!)",
    timeout: float = 60.0,
    env: Optional[Mapping[str, str]] = None,
) -> Answer:
    """Given a command that prints what it finds, return its answer.

    ``nothing`` are the exit codes by which it says that it found nothing, or not all; where it printed nothing they are
    believed only where it complains of nothing either. ``harmless`` is a pattern of lines on standard error that take
    nothing away from the answer.
    Raise ToolMissing, SourceDenied, ToolTimeout, or ToolFailed where it could not look.
    """
    done = host.run(argv, timeout=timeout, env=env, expect=None)
    lines = (line.strip() for line in done.stderr.splitlines())
    complaints = tuple(line for line in lines if line and not re.search(harmless, line))
    if done.rc == 0 or (done.rc in nothing and (done.stdout.strip() or not complaints)):
        return Answer(done.stdout, complaints)
    raise ToolFailed(done.argv, done.rc, "\n".join(complaints) or done.stdout)
