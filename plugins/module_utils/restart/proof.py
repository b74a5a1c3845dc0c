# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a process is proved to be a service, so that it may be ended and started again as it ran.

A command line proves nothing: whoever starts a program chooses it. A restart ends a process and starts another one,
perhaps as root, with its account, folder and environment: so all of these must be the word of nobody but that account
or root. A set-user-ID program has the environment of whoever started it, and the rights of another.

Nor does a pid file whose pid has come round to somebody else's process. Its age tells, and where that deceives (the
clock was set on, the machine was paused, a container was restored) a healthy service is left running with the cure,
which is safe. service_check, which would cry wolf on every such host, only says whose process it is.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Optional

from ..errors import CoreError
from ..host import Host
from ..processes.model import Accounts
from ..services.declared import Service
from ..units import human_seconds
from ..writers import ANYBODY, writers_of
from .model import Launch

_INTERPRETERS = 4  # Linux follows as many
_LINE = 256  # bytes of a script's first line that Linux looks at
_PATH = re.compile(r"/[^\s\"'=:;,]+")
# Interpreters, and the options by which each runs a text, a module or its standard input.
_TEXTS = (
    (re.compile(r"(?:ba|da|z|k|a|c|tc|fi)?sh|su|runuser"), re.compile(r"-[a-zA-Z]*[cs][a-zA-Z]*|-|--command")),
    (re.compile(r"(?:python|pypy)[0-9.]*"), re.compile(r"-[a-zA-Z]*[cm].*|-")),
    (re.compile(r"perl[0-9.]*"), re.compile(r"-[a-zA-Z]*[eE].*|-")),
    (re.compile(r"(?:ruby|lua)[0-9.]*"), re.compile(r"-[a-zA-Z]*[elr].*|-")),
    (re.compile(r"node|nodejs"), re.compile(r"-[a-zA-Z]*[epr].*|-|--(?:eval|print|require|import).*")),
    (re.compile(r"php[0-9.]*"), re.compile(r"-[a-zA-Z]*[rBRE].*|-")),
)
_EARLY = 60.0  # seconds: times of files are coarse, and a clock is set a little


class RunningProcess(NamedTuple):
    """How a running process was seen: its program ``exe`` (empty: not known), whether that is a ``set_id`` program,
    which runs for one account with the rights of another, and whose rights it has.

    ``unavailable`` says why that is not known, or empty. ``began`` is when it began (epoch; None: no clock tells), as
    far as that is asked.
    """

    launch: Launch
    accounts: Accounts = Accounts((), ())
    exe: str = ""
    set_id: bool = False
    unavailable: str = ""
    began: Optional[float] = 0.0


def doubt(host: Host, service: Service, running: RunningProcess, declared: Optional[int]) -> str:
    """Given a service, its process as seen and the uid of the account that is declared, if one is, return why it is
    not proved that the process is the service, with the cure; empty: it is.
    """
    if running.unavailable:
        return running.unavailable
    several, uid = running.accounts.several, running.accounts.uids[0]
    if several:
        return f"it has the rights of several accounts ({several}): look who started it, and stop it by hand"
    writers = writers_of(os.path.join(os.getcwd(), service.pid_file))
    return (
        _doubt_of_account(host, service, uid, declared, writers)
        or (_doubt_of_age(host, service, running.began) if declared is None else "")
        or _doubt_of_program(host, service, running, uid, writers)
    )


def _doubt_of_account(host: Host, service: Service, uid: int, declared: Optional[int], writers: frozenset[int]) -> str:
    """The account to start as is the declared one, or that of the process where nobody else could have named it."""
    account, others = host.account(uid), writers - {uid}
    if declared not in (None, uid):
        cure = f"stop it by hand, or correct services[{service.name}].user"
        return f"it runs as {account}, not as the declared {service.user}: {cure}"
    if not others or (uid != 0 and uid in (declared, os.geteuid())):
        return ""
    if uid == 0:
        cure = "move pid_file to a folder that only root can write to"
        return f"it runs as root, and {_said(host, others)} could have written {service.pid_file}: {cure}"
    cure = f"declare services[{service.name}].user"
    return f"it runs as {account}, and {_said(host, others)} could have written {service.pid_file}: {cure}"


def _doubt_of_age(host: Host, service: Service, began: Optional[float]) -> str:
    """A pid file is written when its process has begun, by the service or what started it: an older one is left over,
    and its pid is by now that of whoever got it.
    """
    cure = f"declare services[{service.name}].user, or remove the file if it is left over"
    try:
        written = host.modified(service.pid_file)
    except CoreError as error:
        return f"nothing tells how old its pid file is: {error}"
    if began is None:
        return f"nothing tells when it began, so {service.pid_file} may be older: {cure}"
    if written >= began - _EARLY:
        return ""
    return f"{service.pid_file} was last written {human_seconds(began - written)} before it began: {cure}"


def _said(host: Host, uids: frozenset[int]) -> str:
    return "others" if ANYBODY in uids else " and ".join(host.account(uid) for uid in sorted(uids))


def _doubt_of_program(host: Host, service: Service, running: RunningProcess, uid: int, writers: frozenset[int]) -> str:
    """Behind a start script runs another program than the declared one. Then nobody else may have named the process,
    and for root nobody else may have written the program.
    """
    exe = running.exe.removesuffix(" (deleted)")  # an update has replaced it: a reason to restart
    if exe and exe in programs_of(host, service, running.launch):
        return ""
    behind_script = bool(service.process) and not running.set_id
    if (behind_script or not exe) and not writers - {uid} and not (uid == 0 and (not exe or writers_of(exe))):
        return ""
    cure = f"declare the program itself as services[{service.name}].command"
    return f"its program is {exe or 'not known'}, not that of its command: {cure}"


def doubt_for_root(host: Host, command: Sequence[str], folder: str, environment: Mapping[str, str]) -> str:
    """Given a command that would run as root in a folder, return why not only root has a say in what it does, or empty.

    Each program on the way to it is looked at, and each path in its words. What is no file, as in ``sh -c TEXT`` and
    ``python -m NAME``, may lead anywhere: it is doubted as it stands.
    """
    pieces = [piece for word in command for piece in word.split()]  # of env -S, su -c and their like
    text = _text_of(pieces, folder)
    if text:
        cure = "declare a script that only root may write"
        return f"it would run as root, and where {text!r} leads cannot be seen: {cure}"
    words = {path for word in (*command, *pieces) for path in (word, *_PATH.findall(word))}
    named = {path for path in (os.path.join(folder, word) for word in words) if os.path.lexists(path)}
    for path in sorted(named | set(_chain(host, command, folder, environment))):
        if writers_of(path):
            return f"it would run as root, and others could have written {path}: give that, and its folders, to root"
    return ""


def _text_of(command: Sequence[str], folder: str) -> str:
    """Return the words by which a command hands an interpreter a text or a module to run, in place of a file."""
    for at, program in enumerate(command):
        options = next((found for name, found in _TEXTS if name.fullmatch(os.path.basename(program))), None)
        if options is None:
            continue
        for word in command[at + 1 :]:
            if options.fullmatch(word):
                return f"{program} {word}"
            if os.path.isfile(os.path.join(folder, word)):
                break  # the script: what comes behind it is its own
    return ""


def programs_of(host: Host, service: Service, launch: Launch) -> set[str]:
    """Return the paths, without links, of the program that the declared command runs, and of its interpreters."""
    chain = _chain(host, service.command, service.chdir or launch.folder, launch.environment)
    return {os.path.realpath(path) for path in chain}


def _chain(host: Host, command: Sequence[str], folder: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the path of the program that a command runs, and of its interpreters, as they are named."""
    search = os.pathsep.join(filter(None, [environment.get("PATH"), os.environ.get("PATH"), os.defpath]))
    words = list(command)
    for _each in range(_INTERPRETERS):
        program = _program(words, folder, search)
        if not program:
            break
        yield program
        words = _interpreter(host, program)


def _program(words: list[str], folder: str, search: str) -> str:
    """Return the path of what a command line runs, behind env(1); empty where there is none."""
    if words and os.path.basename(words[0]) == "env":
        words = list(_behind_env(words[1:]))
    if not words:
        return ""
    return os.path.join(folder, words[0]) if "/" in words[0] else shutil.which(words[0], path=search) or ""


def _behind_env(words: list[str]) -> Iterator[str]:
    found = False
    for word in words:
        found = found or not (word.startswith("-") or "=" in word)
        if found:
            yield word


def _interpreter(host: Host, program: str) -> list[str]:
    """Return the command line in the first line of a script; empty for what is none, or cannot be read."""
    try:
        first = host.read_bytes(program, _LINE).split(b"\n", 1)[0]
    except CoreError:
        return []
    return os.fsdecode(first[2:]).split() if first.startswith(b"#!") else []
