# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a running process was started, as /proc shows it: folder, account, environment."""

from __future__ import annotations

import os
import stat

from ...errors import CoreError
from ...host import Host
from ...processes.collect import read_process
from ...processes.linux import parse_accounts
from ...processes.model import Process
from ...reading import reading
from ..model import Launch
from ..proof import Sight


def seen_on_linux(host: Host, process: Process) -> Sight:
    """Given a running process, return how it runs. It may become another program while it is looked at: what it is
    and whose rights it has must be the same before and after.
    """
    pid = process.pid
    try:
        accounts, exe = parse_accounts(host.read(f"/proc/{pid}/status")), host.link(f"/proc/{pid}/exe")
        pairs = host.read(f"/proc/{pid}/environ").split("\0")
        folder, set_id = host.link(f"/proc/{pid}/cwd"), _is_set_id(f"/proc/{pid}/exe")
        again = parse_accounts(host.read(f"/proc/{pid}/status")), host.link(f"/proc/{pid}/exe")
        now = read_process(host, pid)
    except CoreError as error:
        return Sight(Launch("/"), problem=f"how it runs cannot be seen: {error}")
    if again != (accounts, exe) or now is None or now.began != process.began:
        return Sight(Launch("/"), problem="it became another program while it was looked at; run it again")
    environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    ids = (accounts.uids[1], accounts.gids[1], accounts.groups)
    return Sight(Launch(folder, ids, environment), accounts, exe, set_id)


def _is_set_id(path: str) -> bool:
    with reading(path):
        return bool(os.stat(path).st_mode & (stat.S_ISUID | stat.S_ISGID))
