# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do in this very state of this service, as commands that can be pasted on its host. Pure.

Where nothing fits better, the remedy of the catalogue or of the platform's words stands (an empty answer).
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from .case import Case
from .exits import describe_exit
from .parse import Unit
from .probe import shown

_EXEC, _LIMIT = 203, "start-limit-hit"
_LISTENERS: Mapping[str, str] = {
    "linux": "ss -Hlnp{flag} 'sport = :{port}'",
    "darwin": "sudo lsof -nP -i{proto}:{port}",
    "windows": "Get-Net{kind} -LocalPort {port} | Select-Object LocalAddress, OwningProcess",
}
_LOOK: Mapping[str, str] = {
    "linux": "ps -o pid,user,lstart,args -p {pid}",
    "darwin": "ps -o pid,user,lstart,args -p {pid}",
    "windows": "Get-CimInstance Win32_Process -Filter 'ProcessId={pid}'",
}


def state_remedy(case: Case) -> str:
    """Given a service that is not in its declared state, return what to do."""
    unit, name = case.observed.unit, case.observed.service.unit
    if case.observed.service.manager == "pid_file":
        command = shlex.join(case.observed.service.command)
        log = _log(case) or "Read the log that it writes"
        return f"{log}; remove the cause, then start it: {command}" if command else log
    if case.observed.service.manager != "systemd":
        return ""
    if unit is None:
        stem = shlex.quote(f"*{name.partition('.')[0]}*")
        return f"systemctl list-unit-files --no-pager {stem}; install {name}, or correct `unit` in the inventory."
    if case.observed.service.state == "stopped":
        return "systemctl disable --now UNIT, or declare `state: started`."
    return _unit_remedy(unit, case)


def _unit_remedy(unit: Unit, case: Case) -> str:
    if unit.load == "masked":
        return "systemctl unmask UNIT && systemctl start UNIT"
    if unit.load != "loaded":
        return "systemd-analyze verify " + (shlex.quote(unit.files[0]) if unit.files else "UNIT")
    return _after_its_end(unit, case)


def _after_its_end(unit: Unit, case: Case) -> str:
    """Given a unit that could run and does not, return what to do."""
    if case.observed.idle_timer:
        return "Declare Type=oneshot (systemctl edit UNIT) if it is a job; else systemctl start UNIT."
    if unit.exit_code == 1 and unit.exit_status == _EXEC and unit.exec_start:
        return f"ls -lL {shlex.quote(unit.exec_start.split()[0])}; then systemctl restart UNIT"
    log = "journalctl -u UNIT -n 50 --no-pager; remove the cause, then "
    if unit.result == _LIMIT:
        return f"{log}systemctl reset-failed UNIT && systemctl start UNIT"
    if unit.active == "inactive" and not describe_exit(unit):
        return "It was stopped, it did not fail: systemctl start UNIT, or declare `state: stopped`."
    return f"{log}systemctl restart UNIT"


def port_remedy(case: Case, port: int, proto: str, pids: object) -> str:
    """Given a port that is not listened on as declared, and the pids of strangers on it, return what to do."""
    kind = "TCPConnection" if proto == "tcp" else "UDPEndpoint"
    look = _LISTENERS.get(case.snapshot.platform, _LISTENERS["linux"])
    listeners = look.format(port=port, proto=proto.upper(), flag=proto[0], kind=kind)
    if not isinstance(pids, list) or not pids:
        return f"{listeners}; read the log of {case.observed.name} for why it does not listen there."
    process, pid = case.snapshot.processes.get(pids[0]), pids[0]
    first = _LOOK.get(case.snapshot.platform, _LOOK["linux"]).format(pid=pid)
    owner = f" (of {process.unit})" if process and process.unit else ""
    return f"{first}; if it{owner} does not belong there, stop it by its own service, else correct the port."


def probe_remedy(case: Case) -> str:
    """Given a service that answers its probe badly, return what to do."""
    probe = case.observed.service.probe
    url = shlex.quote(shown(probe.url).partition("?")[0]) if probe else ""
    tool = "curl.exe" if case.snapshot.platform == "windows" else "curl"
    return "; ".join(filter(None, (f"{tool} -sSi {url}", _log(case))))


def _log(case: Case) -> str:
    """Return the command that shows the end of a service's log, or an empty text where nobody knows the log."""
    service, path = case.observed.service, case.observed.service.output
    if service.manager == "systemd":
        return "journalctl -u UNIT -n 50 --no-pager"
    if service.manager != "pid_file" or not path:
        return ""
    if case.snapshot.platform == "windows":
        return "Get-Content -Tail 50 -LiteralPath '" + path.replace("'", "''") + "'"
    return f"tail -n 50 {shlex.quote(path)}"
