# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Record the rulesets of the scenarios as fixtures: ``python3 -m tests.integration.firewall.record [NAME ...]``.

Each scenario is loaded for real in namespaces of its own (network, mounts, processes), so that nothing of this machine
changes, and what the tools print there is written to tests/fixtures. It needs root and the Debian packages nftables,
iptables, ipset, iproute2; for some scenarios also ufw, fail2ban, firewalld and dbus. ``--root`` records with the tools
of another release, of which a debootstrap with these packages lies there.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parents[1] / "fixtures"
SCENARIOS = {path.stem: path for path in sorted((HERE / "scenarios").glob("*.sh"))}

# What runs in the namespaces: two interfaces with addresses of their own, the scenario, then the tools that are read.
COLLECT = r"""
set -eu
ip link set lo up
ip link add eth0 address 02:00:00:00:00:10 type veth peer name peer0 address 02:00:00:00:00:11
ip link add eth1 address 02:00:00:00:00:20 type veth peer name peer1 address 02:00:00:00:00:21
for name in eth0 eth1 peer0 peer1; do ip link set "$name" up; done
ip addr add 203.0.113.10/24 dev eth0
ip addr add 10.0.0.1/8 dev eth1
ip -6 addr add 2001:db8::10/64 dev eth0 nodad
ip -6 addr add fd00::1/8 dev eth1 nodad
ip route add default via 203.0.113.1
ip -6 route add default via 2001:db8::1
if [ -d /etc/ufw ]; then cp -a /etc/ufw /run/ufw-copy; mount --bind /run/ufw-copy /etc/ufw; fi
if [ -d /etc/firewalld ]; then cp -a /etc/firewalld /run/fwd-copy; mount --bind /run/fwd-copy /etc/firewalld; fi
sh /run/scenario.sh >&2
cd /run/out
nft -j list ruleset >nft.json
if grep -q '"xt"' nft.json; then
    iptables-nft-save >nft.v4
    ip6tables-nft-save >nft.v6
fi
if grep -q . /proc/net/ip_tables_names; then iptables-legacy-save >legacy.v4; fi
if grep -q . /proc/net/ip6_tables_names; then ip6tables-legacy-save >legacy.v6; fi
if grep -qs match-set nft.v4 legacy.v4; then ipset save >ipset; fi
if grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf; then
    cp /etc/ufw/ufw.conf /etc/ufw/user.rules /etc/ufw/user6.rules .
    cp /etc/default/ufw default
fi
if firewall-cmd --state >/dev/null 2>&1; then
    firewall-cmd --list-all-zones >runtime
    firewall-cmd --list-all-zones --permanent >permanent
fi
ip -j link show >link.json
ip -j -4 route show table all >route4.json
ip -j -6 route show table all >route6.json
sed -i '/^# \(Generated\|Completed\)/s/ on .*//' ./*.v[46] 2>/dev/null || true
"""
# /run of the namespaces is empty, but for the scenario, the script above and the folder that the output goes to.
PREPARE = """set -eu
mount --make-rprivate /
mount -t tmpfs run {root}/run
mkdir {root}/run/out
mount --bind {out} {root}/run/out
cp {scenario} {root}/run/scenario.sh
cp {collect} {root}/run/collect.sh
mount -t proc proc {root}/proc
exec chroot {root} sh /run/collect.sh
"""
# Where each of the files goes, by the tool that it is of.
PLACES = {
    "nft.json": "nft/{os}/{name}.json",
    "nft.v4": "iptables-save/{os}/{name}.nft.v4",
    "nft.v6": "iptables-save/{os}/{name}.nft.v6",
    "legacy.v4": "iptables-save/{os}/{name}.legacy.v4",
    "legacy.v6": "iptables-save/{os}/{name}.legacy.v6",
    "ipset": "iptables-save/{os}/{name}.ipset",
    "ufw.conf": "ufw/{os}/{name}/ufw.conf",
    "default": "ufw/{os}/{name}/default",
    "user.rules": "ufw/{os}/{name}/user.rules",
    "user6.rules": "ufw/{os}/{name}/user6.rules",
    "runtime": "firewalld/{os}/{name}/runtime",
    "permanent": "firewalld/{os}/{name}/permanent",
    "link.json": "iproute2/{os}/link.json",
    "route4.json": "iproute2/{os}/route4.json",
    "route6.json": "iproute2/{os}/route6.json",
}


def record(scenario: Path, root: Path) -> dict[str, str]:
    """Given a scenario and the root of the system whose tools to use, return what they print, by file name."""
    with tempfile.TemporaryDirectory(prefix="scenario.") as folder:
        out = Path(folder, "out")
        out.mkdir()
        inner = Path(folder, "collect.sh")
        inner.write_text(COLLECT, encoding="utf-8")
        prepare = PREPARE.format(root=root, out=out, scenario=scenario, collect=inner)
        unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", prepare]
        subprocess.run(unshare, check=True, timeout=120)
        return {path.name: path.read_text(encoding="utf-8") for path in out.iterdir()}


def store(name: str, system: str, files: dict[str, str]) -> None:
    """Write what was recorded of a scenario to the fixtures of a system (``debian-12``)."""
    for place in PLACES.values():
        old = FIXTURES / place.format(os=system, name=name)
        if "{name}" in place:
            old.unlink(missing_ok=True)
    if name != "nft-empty":  # the network is the same in all scenarios
        files = {file: text for file, text in files.items() if "iproute2" not in PLACES[file]}
    for file, text in files.items():
        path = FIXTURES / PLACES[file].format(os=system, name=name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def system_of(root: Path) -> str:
    """Return the name and version of the system below a root, as fixtures are sorted (``debian-12``)."""
    lines = (root / "etc/os-release").read_text(encoding="utf-8").splitlines()
    release = dict(line.partition("=")[::2] for line in lines)
    return f"{release['ID']}-{release['VERSION_ID']}".replace('"', "")


def main() -> int:
    """Record the scenarios that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], *SCENARIOS], metavar="NAME")
    parser.add_argument("--root", type=Path, default=Path("/"))
    options = parser.parse_args()
    for name in options.names or SCENARIOS:
        store(name, system_of(options.root), record(SCENARIOS[name], options.root))
        print(f"{system_of(options.root)}: {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
