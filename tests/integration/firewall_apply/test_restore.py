# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is restored is what was there, held to this kernel: every ruleset of the audit's lab, after another one came.

Each is loaded in a namespace, kept, broken in two ways, and restored by the script that a host runs by itself.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import time
from pathlib import Path

import pytest

from integration.firewall.conftest import NEEDS
from integration.firewall.lab import BEGIN, HERE, Lab

pytestmark = pytest.mark.skipif(
    bool(os.geteuid()) or any(shutil.which(tool) is None for tool in NEEDS), reason="needs root and " + ", ".join(NEEDS)
)
SCENARIOS = [
    path
    for path in sorted((HERE / "scenarios").glob("*.sh"))
    if path.stem != "fail2ban" or shutil.which("fail2ban-client")  # Debian switches it on where it is installed
]
KEEP, ARM = (Path(__file__).with_name(name) for name in ("keep.py", "arm.py"))
# Another program's doing: all gone, a table of everybody's name with other rules, chains in another order.
BROKEN = {
    "all is gone": "nft flush ruleset\n{legacy}",
    "others came": """
        nft add table inet evil '{{ chain input {{ type filter hook input priority -300; policy drop; }}; }}'
        nft insert rule ip filter INPUT drop 2>/dev/null
        nft add chain inet filter more 2>/dev/null
        iptables-nft -N zz 2>/dev/null; iptables-nft -I INPUT -j zz 2>/dev/null
        ip6tables-nft -I INPUT -p tcp -m comment --comment x -j DROP
        {legacy}
    """,
}
LEGACY = "iptables-legacy -F INPUT; iptables-legacy -P INPUT DROP"
OWN = {
    "maps and counters": """nft -f - <<'RULES'
table inet own {
    map verdicts {
        type inet_service : verdict
        elements = { 22 : accept, 23 : drop }
    }
    set flood {
        type ipv4_addr
        size 100
        flags dynamic, timeout
        timeout 1h
        elements = { 203.0.113.1, 203.0.113.2 timeout 5m }
    }
    counter hits {
        packets 5 bytes 6
    }
    chain input {
        type filter hook input priority filter; policy drop
        iif "eth0" tcp dport vmap @verdicts
        counter name "hits" drop
    }
}
table netdev edge {
    chain in {
        type filter hook ingress device "eth0" priority 0
        ip saddr 203.0.113.99 drop
    }
}
RULES""",
    "sets of iptables, native rules beside": """
        ipset create banned hash:net; ipset add banned 203.0.113.0/25
        iptables-nft -A INPUT -m set --match-set banned src -j DROP
        iptables-nft -t nat -A PREROUTING -p tcp --dport 8080 -j REDIRECT --to-ports 80
        nft add table ip6 later; nft add chain ip6 later c '{ type filter hook input priority 5; }'
    """,
}


def state(lab: Lab) -> str:
    """Return all that the kernel has, without what counts packets; not the legacy tables where none is in use."""
    words = (("ip", "iptables"), ("ip6", "ip6tables"))
    saves = [f'[ -z "$(cat /proc/net/{name}_tables_names 2>/dev/null)" ] || {tool}-legacy-save' for name, tool in words]
    legacy = f"{{ {'; '.join(saves)}; }} | sed 's/^# Gen.*/legacy/; /^#/d'"
    text = lab.run("sh", "-c", f"nft -s list ruleset 2>/dev/null; ipset save; {legacy}")
    return re.sub(r"\[\d+:\d+\]| (expires|timeout) \S+", "", text)


@pytest.mark.parametrize("before", [*SCENARIOS, *OWN], ids=lambda each: each if isinstance(each, str) else each.stem)
def test_what_is_restored_is_what_was_there(tmp_path: Path, before: Path | str) -> None:
    with Lab() as lab:
        if isinstance(before, str):
            lab.run("sh", "-ec", OWN[before])
        else:
            lab.load(before)
        then = state(lab)
        said = lab.run(sys.executable, "-c", BEGIN, str(HERE.parents[1]), str(KEEP), str(tmp_path))
        assert said == "", "it must be possible to restore each of these"
        for name, how in BROKEN.items():
            lab.run("sh", "-c", how.format(legacy=LEGACY if "\nlegacy\n" in f"\n{then}" else "") + "\ntrue")
            assert state(lab) != then or not then, name
            lab.run("sh", str(tmp_path / "rollback.sh"), str(tmp_path), "a1", "rehearse")
            assert state(lab) == then, name


def test_what_cannot_be_restored_exactly_is_refused(tmp_path: Path) -> None:
    """A rule of iptables' modules beside a chain that only nft can make: neither can say all of the table."""
    with Lab() as lab:
        lab.run("sh", "-ec", "iptables-nft -A INPUT -m statistic --mode nth --every 3 --packet 0 -j DROP")
        lab.run("nft", "add chain ip filter own { type filter hook input priority 7; }")
        lab.run("nft", "add rule ip filter own tcp dport 1-5 drop")
        assert "could not be restored exactly" in lab.run(
            sys.executable, "-c", BEGIN, str(HERE.parents[1]), str(KEEP), str(tmp_path)
        )


def test_where_systemd_does_not_run_a_process_of_its_own_restores_it(tmp_path: Path) -> None:
    """The folder of units is hidden, so that nothing is written into the machine's own."""
    with Lab() as lab:
        lab.run("nft", "add table inet own; add chain inet own c { type filter hook input priority 0; }")
        then, began = state(lab), time.monotonic()
        hidden = "mount --make-rprivate /; mount -t tmpfs none /etc/systemd/system; mount -t tmpfs none /run; exec "
        argv = [sys.executable, "-c", BEGIN, str(HERE.parents[1]), str(ARM), str(tmp_path)]
        lab.run("unshare", "--mount", "sh", "-ec", hidden + shlex.join(argv))
        lab.run("nft", "flush ruleset; add table ip other")
        while not list(tmp_path.glob("rolled_back-*")):
            assert time.monotonic() - began < 25, sorted(path.name for path in tmp_path.iterdir())
            time.sleep(0.2)
        assert 10 < time.monotonic() - began <= 21
        assert state(lab) == then
        assert (next(tmp_path.glob("rolled_back-*")) / "verified").read_text() == "restored\n"
