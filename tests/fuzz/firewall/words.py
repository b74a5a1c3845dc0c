# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What random rules are made of: words that stand for each other, as tables, and how a template takes them. Pure.

A template is text with names in braces, ``ip saddr {op}{net4}``: each is replaced by one of the words of that name,
which may be templates as well. ``{name*3}`` takes one to three different ones, with commas; ``{{`` is a brace. Parts of
a rule are set apart by two blanks, so that the shrinker can leave one out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

WORDS: dict[str, Sequence[str]] = {
    "op": ("", "", "", "== ", "!= "),
    "not": ("", "", "", "! "),
    "l4": ("tcp", "tcp", "udp", "th"),
    "tu": ("tcp", "udp"),
    "tu46": ("tcp", "udp", "icmp", "icmpv6", "6", "17", "sctp"),
    "port": ("22", "53", "80", "443", "6379", "8000", "8000", "8000", "8001", "8002", "8003", "8004", "8005"),
    "range": ("1-1023", "8000-8002", "22-80", "1024-65535", "8001-8005", "0-65535", "53-53"),
    "ports": ("{port}", "{port}", "{range}", "{{ {port1*4} }}", "@p"),
    "port1": ("22", "53", "80", "443", "6379", "8000", "8001-8003", "8004", "8005"),
    "sport": ("53", "1-1023", "1024-65535", "20000-60999", "123"),
    "addr4": ("10.1.0.2", "10.1.0.3", "10.1.0.130", "10.2.0.2", "10.2.0.66", "192.0.2.7", "198.51.100.9", "172.16.5.5"),
    "net4": (
        *("{addr4}", "{addr4}", "10.1.0.0/24", "10.1.0.128/25", "10.2.0.0/24", "10.0.0.0/8", "192.0.2.0/24"),
        *("172.16.0.0/12", "198.51.100.0/30", "0.0.0.0/1", "127.0.0.0/8", "10.1.0.0/30", "128.0.0.0/1"),
    ),
    "range4": ("10.1.0.2-10.1.0.9", "10.1.0.3-10.2.0.2", "172.0.0.0-198.51.100.8", "10.0.0.0-10.255.255.255"),
    "src4": ("{net4}", "{net4}", "{range4}", "{{ {set4*4} }}", "@a4", "@i4"),
    "set4": ("10.1.0.2", "10.1.0.3", "10.1.0.128/25", "10.2.0.0/24", "192.0.2.0/24", "198.51.100.9", "172.16.0.0/12"),
    "own4": ("10.1.0.1", "10.2.0.1", "127.0.0.1", "10.1.0.0/24", "10.0.0.0/8", "{{ 10.1.0.1, 127.0.0.1 }}", "10.9.9.9"),
    "to4": ("10.1.0.1", "10.2.0.1", "127.0.0.1", "10.9.9.9"),
    "addr6": ("fd01::2", "fd01::1:3", "fd02::2", "2001:db8:5::7", "2001:db8:9::9", "fe80::c"),
    "net6": (
        *("{addr6}", "{addr6}", "fd01::/64", "fd02::/64", "fd00::/8", "2001:db8::/32", "2001:db8:5::/48"),
        *("fe80::/10", "fd01::/112", "2000::/3", "::1"),
    ),
    "range6": ("fd01::2-fd01::ffff", "fd00::-fdff::", "2001:db8:5::7-2001:db8:9::8"),
    "src6": ("{net6}", "{net6}", "{range6}", "{{ {set6*4} }}", "@a6", "@i6"),
    "set6": ("fd01::2", "fd01::1:0/112", "fd02::/64", "2001:db8:5::/48", "2001:db8:9::9", "fe80::/10"),
    "own6": ("fd01::1", "fd02::1", "::1", "fd01::/64", "fe80::a1", "fe80::/10", "{{ fd01::1, ::1 }}"),
    "to6": ("fd01::1", "fd02::1", "::1", "fd09::9"),
    "dev": ("va", "va", "vb", "lo"),
    "dev1": ("va", "vb", "lo", "eth9"),
    "devs": ('"{dev}"', '"{dev}"', '"v*"', "{{ {dev1*2} }}"),
    "mark": ("1", "2", "3", "0x10", "0"),
    "mask": ("1", "3", "0x10", "0xff"),
    "states": ("new", "established", "established,related", "invalid", "new,untracked", "untracked", "related"),
    "state1": ("new", "established", "related", "invalid", "untracked"),
    "flags": ("syn", "ack", "syn,ack", "fin,psh,urg", "rst"),
    "verdict": ("accept", "accept", "accept", "drop", "drop", "drop", "reject", "return", "{jump}", "{jump}"),
    "plainly": ("accept", "drop", "continue", "return", "{jump}", "accept", "drop"),
    "number": ("0", "1", "2", "64", "255", "1000"),
}
_NAME = re.compile(r"\{\{|\}\}|\{(\w+)(?:\*(\d+))?\}")


def expand(random: Random, template: str, words: dict[str, Sequence[str]]) -> str:
    """Given a template and the words of its names, return a text."""

    def put(found: re.Match[str]) -> str:
        name, most = found.groups()
        if name is None:
            return found.group()[0]
        if most is None:
            return expand(random, random.choice(words[name]), words)
        chosen = random.sample(list(words[name]), min(len(words[name]), random.randint(1, int(most))))
        return ", ".join(expand(random, each, words) for each in chosen)

    return _NAME.sub(put, template)
