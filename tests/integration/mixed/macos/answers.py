# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tools of macOS 14 say on a host that runs Cryptobot: by command line, the text and the exit code.

What does not speak of this host is a recorded fixture. What must fit to the host's services, processes, sockets and
times is constructed here in the form of the fixtures beside those (tests/fixtures/TOOL/macos-14).
"""

from __future__ import annotations

import time
from pathlib import Path

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures"
SERVICES = ("auth", "data", "strategy", "backtest", "trade")
PYTHON = "/opt/cryptobot/venv/bin/python"
FIRST_PID, FIRST_PORT = 512, 8000
WORKERS = {610: 2, 611: 2, 612: 4, 613: 4}  # of strategy and trade, as in the demo: by pid, whose they are in SERVICES
SSHD = 88
DAY = 86400
SOCKETFILTERFW = "/usr/libexec/ApplicationFirewall/socketfilterfw"
NOT_FOUND = 113  # launchctl's exit code for a job that it does not know

Answer = tuple[str, str, int]  # a command line or how it begins, what is printed, the exit code


def answers() -> list[Answer]:
    """Return what each command answers now."""
    now = time.time()
    return [*_jobs(), *_processes(now), *_sockets(), *_resources(now), *_firewall(), *_files()]


def recorded(name: str) -> str:
    """Return a fixture."""
    return (FIXTURES / name).read_text("utf-8")


def _jobs() -> list[Answer]:
    printed = [(f"launchctl print system/com.cryptobot.{name}", _job(name, n), 0) for n, name in enumerate(SERVICES)]
    rows = "".join(f"{FIRST_PID + n}\t0\tcom.cryptobot.{name}\n" for n, name in enumerate(SERVICES))
    return [
        ("launchctl print", "", NOT_FOUND),
        *printed,
        ("launchctl print-disabled", "\n\tdisabled services = {\n\t}\n", 0),
        ("launchctl list", f"PID\tStatus\tLabel\n{SSHD}\t0\tcom.openssh.sshd\n{rows}", 0),
        ("sw_vers", "ProductName:\t\tmacOS\nProductVersion:\t\t14.6.1\nBuildVersion:\t\t23G93\n", 0),
        ("sw_vers -productVersion", "14.6.1\n", 0),
    ]


def _job(name: str, number: int) -> str:
    """Return what `launchctl print` tells of a service: the recorded one of auth, in other words and numbers."""
    text = recorded("launchctl-print/macos-14/com.cryptobot.auth.txt")
    text = text.replace("auth", name).replace("\tpid = 512", f"\tpid = {FIRST_PID + number}")
    return text.replace("\t\t8000\n", f"\t\t{FIRST_PORT + number}\n").replace("=> 8000", f"=> {FIRST_PORT + number}")


def _processes(now: float) -> list[Answer]:
    began = time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime(now - 3 * DAY))
    words = [f"{PYTHON} -m uvicorn {name}.main:app --port {FIRST_PORT + n}" for n, name in enumerate(SERVICES)]
    every = {1: "/sbin/launchd", SSHD: "/usr/sbin/sshd", **{FIRST_PID + n: line for n, line in enumerate(words)}}
    parents = {pid: min(pid - 1, 1) for pid in every}
    every.update({pid: words[n] for pid, n in WORKERS.items()})
    parents.update({pid: FIRST_PID + n for pid, n in WORKERS.items()})
    census = "".join(
        f"{pid:5} {parents[pid]:5} {pid:5}     0 Ss    98304  12:34.56 {began}     {line}\n"
        for pid, line in every.items()
    )
    programs = "".join(f"{pid:5} {line.split()[0]}\n" for pid, line in every.items())
    starts = [(f"ps -o lstart= -p {pid}", f"{began}\n", 0) for pid in every]
    return [("ps", "", 1), ("ps -axww -o", census, 0), ("ps -axo pid=,comm=", programs, 0), *starts]


def _sockets() -> list[Answer]:
    rows = [(SSHD, "sshd", "*", 22), *((FIRST_PID + n, "Python", "127.0.0.1", FIRST_PORT + n) for n in range(5))]
    files = "".join(
        f"p{pid}\nc{name}\nu0\nLroot\nf3\ntIPv4\nd0x82a93244c543{port:04x}\nPTCP\nn{address}:{port}\nTST=LISTEN\n"
        "TQR=0\nTQS=0\n"
        for pid, name, address, port in rows
    )
    head = "".join(recorded("netstat/macos-14/tcp.txt").splitlines(keepends=True)[:2])
    listed = "".join(
        f"tcp4       0      0  {f'{address}.{port}':<23}*.*                    LISTEN     \n"
        for _pid, _name, address, port in rows
    )
    return [
        ("lsof", "", 1),  # nothing to list, as for files that were deleted
        ("lsof -nP -w -iTCP", files, 0),
        ("lsof -n -P -w -F ftDi", recorded("lsof-files/macos-13/files-apple-silicon"), 0),
        ("netstat -anW -p tcp", head + listed, 0),
        ("netstat -anW -p udp", head, 0),
        ("netstat -rnl -f inet", recorded("netstat-routes/macos-14/routes4"), 0),
        ("netstat -rnl -f inet6", recorded("netstat-routes/macos-14/routes6"), 0),
        ("ifconfig -a", recorded("ifconfig/macos-14/all"), 0),
    ]


def _resources(now: float) -> list[Answer]:
    kernel = f"""\
hw.memsize: {32 << 30}
hw.logicalcpu: 10
vm.swapusage: total = 2048.00M  used = 200.00M  free = 1848.00M  (encrypted)
vm.loadavg: {{ 1.20 1.31 1.24 }}
kern.boottime: {{ sec = {int(now - 9 * DAY)}, usec = 5 }} {time.ctime(now - 9 * DAY)}
kern.maxfiles: 276480
kern.num_files: 9145
kern.memorystatus_vm_pressure_level: 1
"""
    return [
        ("sysctl hw.memsize", kernel, 0),
        ("sysctl -n kern.bootsessionuuid", "6D1B0F1C-7E0F-4C55-8C0B-0F0E6A6B4D11\n", 0),
        ("sysctl -n net.inet.ip.portrange.first net.inet.ip.portrange.last", "49152\n65535\n", 0),
        ("vm_stat", recorded("vm_stat/macos-12/cached.txt"), 0),
        ("top -l 2", recorded("top/macos-14/two-samples.txt"), 0),
        # without the image of an installer, which is full and read-only
        ("mount", "".join(recorded("mount/macos-14/apple-silicon.txt").splitlines(keepends=True)[:-1]), 0),
        *((f"df -ki {path}", recorded("df/macos-14/data.txt"), 0) for path in ("/System/Volumes/Data", "/")),
        ("systemsetup -getusingnetworktime", recorded("systemsetup/macos-14/on.txt"), 0),
        ("systemsetup -getnetworktimeserver", recorded("systemsetup/macos-14/server.txt"), 0),
        ("sntp", recorded("sntp/macos-12/offset.txt"), 0),
    ]


def _firewall() -> list[Answer]:
    """pf is off, as macOS has it unless somebody turns it on; the application firewall is on."""
    options = ("getglobalstate", "getblockall", "getallowsigned", "getstealthmode", "listapps")
    asked = [(f"{SOCKETFILTERFW} --{each}", recorded(f"socketfilterfw/macos-14/{each}"), 0) for each in options]
    return [
        ("pfctl -sr", recorded("pfctl/macos-14/rules"), 0),
        ("pfctl -sn", 'nat-anchor "com.apple/*" all\nrdr-anchor "com.apple/*" all\n', 0),
        ("pfctl -s info", recorded("pfctl-state/macos-14/info-off.txt"), 0),
        ("pfctl -s memory", recorded("pfctl-state/macos-14/memory.txt"), 0),
        *((line.rsplit("/", 1)[-1], text, code) for line, text, code in asked),
    ]


def _files() -> list[Answer]:
    """Nothing has an access control list or extended attributes."""
    return [("xattr", "", 0)]
