# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking Windows for its firewall: one powershell.exe for rules, profiles, network and, if asked, processes."""

from __future__ import annotations

import shlex
from collections.abc import Collection

from ...errors import CoreError
from ...fields import fields_of
from ...host import Host
from ...powershell import Answers, ask
from ..scope import Places
from .queries import PROCESSES, QUERIES

_PLACES = "places"
_TIMEOUT = 300.0  # at most: some 20 seconds for 500 rules on a slow host; the budget of the run bounds it too


def collect(host: Host, pids: Collection[int]) -> Answers:
    """Return what a Windows host answers; ``pids`` are the processes whose paths matter.

    Where PowerShell itself does not run, each query is answered by that reason.
    """
    queries = {**QUERIES, **({_PLACES: PROCESSES} if pids else {})}
    timeout = min(_TIMEOUT, host.remaining())
    try:
        return ask(host, queries, timeout=timeout)
    except CoreError as error:
        return Answers({name: {"error": str(error)} for name in queries})


def places(answers: Answers) -> Places:
    """Given the answers, return by process its executable and the words of its command line; unseen ones have none."""
    try:
        rows = fields_of(_PLACES, answers[_PLACES])
        return {row.whole("ProcessId"): (row.text("ExecutablePath"), *_words(row.text("CommandLine"))) for row in rows}
    except CoreError:
        return {}


def _words(command_line: str) -> list[str]:
    """Given a command line of Windows, return its words. A quote that is not closed leaves the rest one word."""
    lexer = shlex.shlex(command_line, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.escape, lexer.quotes, lexer.commenters = True, "", '"', ""
    try:
        return list(lexer)
    except ValueError:
        return command_line.replace('"', "").split()
