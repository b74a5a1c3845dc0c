# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What rules of nft are made of, after nft(8): templates (see words.py) by what they are of.

``PLAIN`` is what ordinary rulesets use. Which of the rest loads at which hook is the kernel's business: what
does not load is dropped and counted.
"""

from __future__ import annotations

from .points import MONITOR

PLAIN_TESTS = (
    *("ip saddr {op}{src4}", "ip saddr {op}{src4}", "ip6 saddr {op}{src6}", "ip6 saddr {op}{src6}"),
    *("ip daddr {op}{own4}", "ip6 daddr {op}{own6}"),
    *("{l4} dport {op}{ports}", "{l4} dport {op}{ports}", "{l4} dport {op}{ports}", "tcp dport {op}{ports}"),
    *(
        "meta l4proto {tu}",
        "meta l4proto {{ tcp, udp }}",
        "ip protocol {tu}",
        "meta nfproto {{ ipv4 }}",
        "meta nfproto ipv6",
    ),
    *("iifname {op}{devs}", "iifname {op}{devs}", 'iif {op}"{dev}"', "iifname @ifs"),
    *("ct state {op}{states}", "ct state {states}", "ct state {{ {state1*3} }}", "ct state established,related"),
    *("meta mark {op}{mark}", "meta mark & {mask} == {mark}", "fib daddr type {op}local", "ct status dnat"),
    *("icmp type echo-request", "icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert, echo-request }}"),
    *("ip saddr . tcp dport {op}{{ {pair4*3} }}", "ip saddr . tcp dport {op}@c4", "ip6 saddr . udp dport @c6"),
    *("iifname . tcp dport {{ {ifport*2} }}", "tcp flags & (fin|syn|rst|ack) == syn", "tcp sport {op}{sport}"),
)
PLAIN_MAPS = (
    *("tcp dport vmap {{ {portv*3} }}", "udp dport vmap {{ {portv*3} }}", "ip saddr vmap {{ {saddrv*3} }}"),
    *("ip6 saddr vmap {{ {saddr6v*3} }}", "iifname vmap {{ {ifv*2} }}", "ct state vmap {{ {statev*3} }}"),
    *("ip saddr vmap @vm4", "tcp dport vmap @vmp", "ip saddr vmap {{ {saddrv*2}, * : {plainly} }}"),
    *("ip saddr . tcp dport vmap {{ {pairv*3} }}", "meta l4proto vmap {{ tcp : {jump}, udp : {plainly} }}"),
)
PLAIN_STATEMENTS = (
    *("counter", "counter", 'log prefix "x "', "meta mark set {mark}", "limit rate 100000/second burst 100000 packets"),
    *("ct mark set {mark}", "counter packets 0 bytes 0"),
)
PLAIN_VERDICTS = (
    "{verdict}",
    "{verdict}",
    "{verdict}",
    "{verdict}",
    "reject with tcp reset",
    "reject with icmpx type port-unreachable",
    "",
)
PLAIN_NAT = {
    "prerouting": (
        *(
            "{tu} dport {port}  redirect to :{port}",
            "tcp dport {ports}  redirect to :{port}",
            "tcp dport {port}  redirect",
        ),
        *("ip daddr {own4}  tcp dport {port}  dnat ip to {to4}:{port}", "{tu} dport {port}  dnat ip to {to4}:{port}"),
        *("ip saddr {src4}  {tu} dport {port}  redirect to :{port}", "{tu} dport {port}  dnat ip6 to [{to6}]:{port}"),
        *(
            'iifname "{dev}"  tcp dport {port}  redirect to :{port}',
            "ip saddr {src4}  accept",
            "ip daddr 10.1.0.1  dnat ip to 10.2.0.1",
        ),
    ),
    "output": ("{tu} dport {port}  redirect to :{port}", "ip daddr {own4}  tcp dport {port}  dnat ip to {to4}:{port}"),
    "input": ("ip saddr {src4}  snat ip to 10.1.0.3", "counter", "accept"),
    "postrouting": (
        'oifname "{dev}"  masquerade',
        "ip saddr {src4}  snat ip to {to4}",
        "masquerade",
        "ip daddr {src4}  accept",
    ),
}

EXOTIC_TESTS = (
    # masks, numbers and order of what is plain
    # more often than the rest: what a packet has no value of at a hook is what models get wrong first
    *('oifname != "{dev}"', 'oif != "{dev}"') * 4,
    *("ip saddr & {mask4} {cmp} {addr4}", "ip6 saddr & {mask6} {cmp} {addr6}", "{l4} dport & {maskp} {cmp} {port}"),
    *(
        "{l4} dport {ord} {port}",
        "ip saddr {ord} {addr4}",
        "meta iif {ord} {small}",
        "meta iif {op}1-2",
        "meta iif {op}2-9999",
    ),
    *(
        'oif {op}"{dev}"',
        "oifname {op}{devs}",
        "meta oif {ord} {small}",
        "meta mark {ord} {mark}",
        "meta mark & {mask} {cmp} {mark}",
    ),
    *(
        "meta mark and {mask} or 0x2 {cmp} {mark}",
        "meta mark xor {mask} {cmp} {mark}",
        "meta mark {op}1-3",
        "meta mark {{ 1, 2, 16 }}",
    ),
    *(
        "ip daddr & 0.0.0.255 {cmp} 0.0.0.1",
        "ip6 daddr & ::ffff {cmp} ::1",
        "meta mark >> 1 {cmp} 1",
        "meta mark & {mask} != 0",
    ),
    # connection tracking
    *(
        "ct mark {op}{mark}",
        "ct mark & {mask} {cmp} {mark}",
        "ct direction {op}original",
        "ct direction reply",
        "ct status {op}{status}",
    ),
    *(
        "ct status {{ {status*2} }}",
        "ct status & (snat|dnat) {cmp} 0",
        "ct zone {op}0",
        "ct expiration {ord} 1s",
        "ct id {ord} 5",
    ),
    *(
        "ct state & (new|established) {cmp} 0",
        "ct state {op}{state1}",
        "ct state != {states}",
        'ct label {op}"1"',
        'ct helper {op}"ftp"',
    ),
    *(
        "ct l3proto {op}ipv4",
        "ct protocol {op}tcp",
        "ct original ip saddr {op}{net4}",
        "ct original ip daddr {op}{own4}",
    ),
    *(
        "ct original proto-dst {op}{port}",
        "ct reply proto-src {op}{port}",
        "ct reply ip saddr {op}{own4}",
        "ct original ip6 saddr {op}{net6}",
    ),
    *(
        "ct original packets {ord} {number}",
        "ct bytes {ord} {number}",
        "ct avgpkt {ord} {number}",
        "ct count {over}{number}",
    ),
    *("ct state {op}untracked", "ct status {op}confirmed", "ct status ! dnat", "ct state ! new"),
    # routing and addresses
    *(
        "fib daddr . iif type {op}{fibtype}",
        "fib daddr type {op}{fibtype}",
        "fib saddr type {op}{fibtype}",
        "fib saddr . iif oif {exists}",
    ),
    *(
        "fib saddr oif {exists}",
        'fib saddr oifname {op}"{dev}"',
        "fib saddr . iif oif {op}0",
        "fib daddr oif {exists}",
        "fib saddr . mark oif {exists}",
    ),
    *(
        "fib daddr type {{ local, broadcast }}",
        "rt nexthop {op}{addr4}",
        "rt ip6 nexthop {op}{addr6}",
        "rt mtu {ord} {number}",
        "rt classid {op}0",
        "rt ipsec {exists}",
    ),
    # meta
    *(
        "meta skuid {op}{uid}",
        "meta skgid {op}{uid}",
        "meta cgroup {op}0",
        "meta pkttype {op}{pkt}",
        "meta length {ord} {number}",
    ),
    *(
        "meta protocol {op}{ether}",
        "meta nfproto {op}ipv4",
        "meta l4proto {op}{tu46}",
        "meta l4proto {op}1-6",
        "meta priority {op}0",
    ),
    *(
        "meta iiftype {op}{arphrd}",
        "meta oiftype {op}{arphrd}",
        "meta iifgroup {op}default",
        "meta oifgroup {op}0",
        'meta iifkind {op}"veth"',
    ),
    *(
        'meta oifkind {op}"veth"',
        "meta ipsec {exists}",
        "meta sdif {op}0",
        'meta sdifname {op}""',
        'meta sdifname "va"',
        "meta rtclassid {op}0",
        'meta ibrname "br0"',
    ),
    *(
        'meta hour {ord} "12:00"',
        'meta day {op}"Sunday"',
        "meta time {ord} 1700000000",
        "meta random {ord} {rnd}",
        "meta cpu {op}0",
    ),
    *(
        "numgen inc mod 2 {op}0",
        "numgen random mod 4 {op}1",
        "jhash ip saddr mod 2 {op}0",
        "symhash mod 2 {op}0",
        "meta secmark {op}0",
    ),
    *(
        "socket transparent {op}1",
        "socket mark {op}{mark}",
        "socket wildcard {op}1",
        'osf name {op}"Linux"',
        'osf name "unknown"',
        "ipsec in reqid {op}1",
    ),
    # headers, raw, options
    *(
        "tcp flags {op}{flags}",
        "tcp flags == {flags}",
        "tcp flags & (syn|ack) {cmp} {flags}",
        "tcp flags {{ syn, ack }}",
        "tcp flags ! syn",
        "tcp flags syn / syn,ack,rst",
    ),
    *(
        "tcp sport {op}{sport}",
        "udp sport {op}{sport}",
        "tcp window {ord} {number}",
        "tcp sequence {ord} {number}",
        "tcp doff {ord} {small}",
    ),
    *(
        "tcp option maxseg {exists}",
        "tcp option maxseg size {ord} {number}",
        "tcp option sack-perm {exists}",
        "tcp option timestamp {exists}",
        "tcp option window count {ord} {small}",
        "tcp option 99 {exists}",
    ),
    *(
        "udp length {ord} {number}",
        "ip ttl {ord} {number}",
        "ip6 hoplimit {ord} {number}",
        "ip dscp {op}cs0",
        "ip6 dscp {op}ef",
        "ip ecn {op}ect0",
        "ip ecn {op}not-ect",
    ),
    *(
        "ip length {ord} {number}",
        "ip id {ord} {number}",
        "ip frag-off & 0x1fff {cmp} 0",
        "ip frag-off {cmp} 0x4000",
        "ip version {op}4",
        "ip hdrlength {op}5",
        "ip6 version 6",
    ),
    *(
        "ip6 nexthdr {op}{tu46}",
        "ip6 flowlabel {ord} {number}",
        "ip6 length {ord} {number}",
        "exthdr frag {exists}",
        "exthdr hbh {exists}",
        "frag more-fragments {op}1",
        "rt type {op}0",
        "mh type 1",
        "ip option rr {exists}",
    ),
    *(
        "ether saddr {op}{mac}",
        "ether daddr {op}{mac}",
        "ether type {op}{ether}",
        "vlan id {op}1",
        "arp operation request",
        "ah spi {op}1",
        "esp spi 5",
        "comp cpi 1",
        "sctp dport {op}{port}",
        "dccp dport {port}",
        "udplite dport {op}{port}",
    ),
    *(
        "@th,16,16 {op}{port}",
        "@th,0,16 {ord} {number}",
        "@nh,96,32 {op}0x0a010002",
        "@nh,128,32 {op}0x0a010001",
        "@nh,72,8 {op}6",
        "@ll,0,48 {op}0x020000000a01",
        "@th,800,8 {op}1",
        "@nh,0,4 {op}4",
        "@ih,0,8 {op}63",
    ),
    *("icmp type {op}{{ echo-request, 3 }}", "icmpv6 type {op}{icmp6}", "icmp code 0", "igmp type 0x11"),
    # sets
    *(
        "ip saddr {op}@dyn4",
        "ip saddr {op}@to4s",
        "ip saddr {op}@ca4",
        "{l4} dport {op}@p",
        "ip saddr {op}@e4",
        "tcp dport {op}@e5",
        "meta mark {op}@mks",
    ),
    *(
        "ip saddr . ip daddr {op}{{ {addr4} . 10.1.0.1, {addr4} . 10.2.0.1 }}",
        "meta l4proto . th dport {op}{{ {protoport*3} }}",
        "iifname . ip saddr {op}{{ {ifaddr*3} }}",
    ),
    *(
        "ip saddr . iif {op}{{ {addr4} . va, {addr4} . vb }}",
        "meta mark . tcp dport {op}{{ 0 . {port}, 1 . {port} }}",
        "ip saddr . tcp dport . iifname {op}@c5",
        "ip6 saddr . ip6 daddr {{ {addr6} . fd01::1 }}",
        "ct state . meta mark {{ new . 0, established . 0 }}",
    ),
    *(
        "ether saddr . ip saddr {{ 02:00:00:00:0a:02 . {addr4} }}",
        "tcp flags . tcp dport {{ syn . {port} }}",
        "meta pkttype . meta l4proto {{ host . tcp, host . udp }}",
    ),
)
EXOTIC_MAPS = (
    *(
        "ip saddr . tcp dport vmap @vmc",
        "ip saddr & 0.0.0.3 vmap {{ 0.0.0.2 : {plainly}, 0.0.0.3 : {plainly} }}",
        "tcp flags vmap {{ syn : {plainly}, ack : accept, * : continue }}",
    ),
    *(
        "ct mark vmap {{ 0 : {plainly}, 1 : {plainly} }}",
        "meta mark vmap {{ 0 : {plainly}, 1-9 : {plainly} }}",
        "ct direction vmap {{ original : {plainly}, reply : accept }}",
        "fib daddr type vmap {{ local : {plainly}, * : drop }}",
    ),
    *(
        "meta pkttype vmap {{ host : {plainly}, broadcast : drop }}",
        "ct status vmap {{ 0 : {plainly}, 0x100 : {plainly} }}",
        "oifname vmap {{ va : {plainly}, lo : accept }}",
        "meta nfproto vmap {{ ipv4 : {plainly}, ipv6 : {plainly} }}",
    ),
    *(
        "numgen inc mod 2 vmap {{ 0 : accept, 1 : {plainly} }}",
        "meta l4proto . th dport vmap {{ tcp . {port} : {plainly}, udp . 53 : {plainly} }}",
        "tcp dport vmap {{ {portv*3}, * : {plainly} }}",
        "ct state vmap {{ {statev*2}, * : {plainly} }}",
        "meta skuid vmap {{ 0 : {plainly} }}",
    ),
)
EXOTIC_STATEMENTS = (
    *(
        "notrack",
        "meta mark set ct mark",
        "ct mark set meta mark",
        "meta mark set meta mark | {mask}",
        "meta mark set meta mark & {mask}",
        "meta mark set meta mark ^ {mask}",
        "meta mark set meta mark and 0xf or {mask}",
        "meta mark set meta mark << 1",
    ),
    *(
        "ct mark set ct mark | {mask}",
        "ct mark set meta mark & {mask}",
        "meta mark set ip saddr map {{ 10.1.0.2 : 1, 10.1.0.0/24 : 2 }}",
        "meta mark set ip saddr map {{ {addr4} : {mark}, 10.2.0.0/24 : {mark} }}",
        "meta mark set tcp dport map {{ {port} : 1 }}",
        "meta mark set ip saddr map @mm4",
        "ct mark set ip saddr map {{ {addr4} : {mark} }}",
        "meta mark set jhash ip saddr mod 2",
        "meta mark set numgen inc mod 2",
        "meta mark set tcp dport map {{ {port} : 1, * : 2 }}",
    ),
    *(
        "meta priority set 1:2",
        "meta pkttype set {pkt}",
        "meta nftrace set 1",
        "ct zone set {small}",
        "ct label set 1",
        "ct event set new",
        'ct helper set "ft"',
        'ct timeout set "ctt"',
        "ct original zone set 1",
    ),
    *(
        "limit rate {rate}",
        "limit rate over {rate}",
        'limit name "l1"',
        'quota name "q1"',
        'counter name "cn"',
        "quota {over}{quota}",
        "limit rate {rate} burst 1 packets",
        "limit rate 10 bytes/second",
        "limit rate over 100 kbytes/second",
        "ct count {over}{number}",
    ),
    *(
        "add @dyn4 {{ ip saddr }}",
        "add @dyn4 {{ ip saddr timeout 60s }}",
        "update @dyn4 {{ ip saddr }}",
        "delete @dyn4 {{ ip saddr }}",
        "add @full4 {{ ip saddr }}",
        "add @dyn4 {{ ip saddr limit rate over {rate} }}",
        "add @dyn4 {{ ip saddr ct count over {small} }}",
        "add @dynp {{ ip saddr . tcp dport }}",
        "meter m1 {{ ip saddr limit rate {rate} }}",
        "set add ip saddr @dyn4",
        "add @dm4 {{ ip saddr : {mark} }}",
    ),
    *(
        "tcp dport set {port}",
        "udp dport set {port}",
        "ip saddr set {addr4}",
        "ip daddr set {to4}",
        "@th,16,16 set {port}",
        "@nh,96,32 set 0x0a010003",
        "ip ttl set 64",
        "ip dscp set cs1",
        "tcp option maxseg size set 1000",
        "ip6 hoplimit set 5",
        "ether saddr set 02:00:00:00:0a:07",
        "reset tcp option timestamp",
        "tcp option maxseg size set rt mtu",
        "ip6 daddr set fd01::1",
        "tcp sport set {port}",
    ),
    *(
        "log group 1",
        "log flags all",
        'log prefix "y" level debug',
        "last",
        "counter",
        f'dup to {MONITOR[4]} device "va"',
        "secmark set 1",
        "synproxy mss 1460 wscale 7 timestamp sack-perm",
        "tproxy to :{port}",
        "tproxy ip to 127.0.0.1:{port}",
        "flow add @ft",
        'fwd to "lo"',
        'dup to "lo"',
    ),
)
EXOTIC_VERDICTS = (
    "{verdict}",
    "{verdict}",
    "{verdict}",
    "continue",
    "queue",
    "queue flags bypass to 3",
    "queue to 1-2",
    "reject with icmp type admin-prohibited",
    "reject with icmpv6 type no-route",
    'fwd to "vb"',
    "",
)
EXOTIC_NAT = {
    "prerouting": (
        *(
            "dnat ip to tcp dport map {{ {port} : {to4}, 443 : 10.1.0.1 }}",
            "dnat ip to ip saddr map {{ {addr4} : {to4} }}",
            "redirect to tcp dport map {{ {port} : {port}, 443 : 8000 }}",
            "dnat ip addr . port to tcp dport map {{ {port} : {to4} . {port} }}",
            "tcp dport 8000-8003  dnat ip to {to4}:8001-8004",
            "tcp dport {port}  redirect to :8000-8002",
            "tcp dport {port}  redirect to :{port} random",
            "dnat ip prefix to ip daddr map {{ 10.1.0.0/24 : 10.2.0.0/24 }}",
            "dnat ip to jhash ip saddr mod 2 map {{ 0 : 10.1.0.1, 1 : 10.2.0.1 }}",
            "dnat ip to 10.1.0.1-10.1.0.9",
        ),
        *(
            "tcp dport {port}  {test}  dnat ip to {to4}",
            "tcp dport {port}  {test}  redirect to :{port}",
            "{test}  redirect to :{port}",
            "{test}  {verdict}",
            "meta l4proto {tu}  redirect to :{port}",
            "ct state new  tcp dport {port}  redirect to :{port}",
            "dnat ip to @natm",
            "ip daddr 10.9.9.9  dnat ip to {to4}",
            "tcp dport {port}  dnat ip to {to4}:{port} persistent",
            "fib daddr type local  tcp dport {port}  redirect to :{port}",
        ),
    ),
    "output": (
        "{test}  redirect to :{port}",
        "tcp dport {port}  dnat ip to 10.1.0.1:{port}",
        "ip daddr 127.0.0.1  tcp dport {port}  dnat ip to 10.1.0.1:{port}",
        "{test}  {verdict}",
        "meta skuid 0  tcp dport {port}  redirect to :{port}",
    ),
    "input": (
        "{test}  snat ip to {addr4}",
        "{test}  {verdict}",
        "snat ip to ip saddr map {{ {addr4} : 10.1.0.77 }}",
        "tcp dport {port}  snat ip to :5000",
    ),
    "postrouting": (
        "{test}  masquerade",
        "{test}  snat ip to {to4}",
        "{test}  {verdict}",
        "masquerade random",
        "tcp sport {port}  masquerade to :{port}",
        "snat ip6 to {to6}",
    ),
}
MORE_WORDS = {
    "portv": tuple(f"{port} : {{plainly}}" for port in ("22", "53", "80", "8000", "8001-8003", "8004", "8005")),
    "saddrv": tuple(
        f"{net} : {{plainly}}" for net in ("10.1.0.2", "10.1.0.3", "10.1.0.128/25", "10.2.0.0/24", "192.0.2.0/24")
    ),
    "saddr6v": tuple(f"{net} : {{plainly}}" for net in ("fd01::2", "fd02::/64", "2001:db8:5::/48", "fe80::/10")),
    "ifv": tuple(f"{name} : {{plainly}}" for name in ("va", "vb", "lo")),
    "statev": tuple(f"{name} : {{plainly}}" for name in ("new", "established", "related", "invalid", "untracked")),
    "pair4": tuple(f"{net} . {{port}}" for net in ("10.1.0.2", "10.1.0.3", "10.2.0.2", "192.0.2.7", "172.16.5.5")),
    "pairv": tuple(
        f"{net} . {{port}} : {{plainly}}" for net in ("10.1.0.2", "10.1.0.3", "10.2.0.0/24", "192.0.2.0/24")
    ),
    "ifport": ("va . {port}", "vb . {port}", "lo . {port}"),
    "ifaddr": ("va . {addr4}", "vb . {addr4}", "lo . 127.0.0.1"),
    "protoport": ("tcp . {port}", "udp . 53", "udp . {port}", "tcp . 8001-8005"),
    "cmp": ("==", "==", "!=", "<", ">="),
    "ord": ("<", ">", "<=", ">=", "==", "!="),
    "small": ("0", "1", "2", "3"),
    "mask4": ("0.0.0.255", "255.255.255.0", "255.0.0.255", "0.0.0.1", "0.255.0.0"),
    "mask6": ("::ff", "ffff::", "ffff::ff", "::1"),
    "maskp": ("0xfff0", "1", "0xff", "0x1f40"),
    "status": ("dnat", "snat", "seen-reply", "assured", "confirmed", "expected", "dying"),
    "fibtype": ("local", "unicast", "broadcast", "multicast", "blackhole", "anycast"),
    "exists": ("exists", "missing"),
    "uid": ("0", "1000", "65534", "0-999"),
    "pkt": ("host", "broadcast", "multicast", "other"),
    "ether": ("ip", "ip6", "arp"),
    "arphrd": ("ether", "loopback", "1"),
    "rnd": ("0.5", "1", "2147483648"),
    "mac": ("02:00:00:00:0a:02", "02:00:00:00:0a:01", "02:00:00:00:0b:02", "00:00:00:00:00:00"),
    "icmp6": ("echo-request", "nd-neighbor-solicit", "133-136"),
    "over": ("", "over "),
    "rate": ("1/day", "1/second", "5/minute", "1000000/second", "10/second burst 5 packets"),
    "quota": ("0 bytes", "1 bytes", "100 mbytes", "10 kbytes"),
}
# What a rule may name with @ or by its name: how it is made, declared where a rule names it.
SETS = {
    "a4": "set {table} a4 {{ type ipv4_addr ; elements = {{ {addr4*4} }} ; }}",
    "i4": "set {table} i4 {{ type ipv4_addr ; flags interval ; elements = {{ {set4*4} }} ; }}",
    "a6": "set {table} a6 {{ type ipv6_addr ; elements = {{ {addr6*4} }} ; }}",
    "i6": "set {table} i6 {{ type ipv6_addr ; flags interval ; elements = {{ {set6*4} }} ; }}",
    "p": "set {table} p {{ type inet_service ; flags interval ; elements = {{ {port1*5} }} ; }}",
    "ifs": "set {table} ifs {{ type ifname ; elements = {{ {dev1*3} }} ; }}",
    "c4": (
        "set {table} c4 {{ type ipv4_addr . inet_service ; flags interval ; "
        "elements = {{ {pair4*3}, 10.2.0.0/24 . 8000-8003 }} ; }}"
    ),
    "c5": (
        "set {table} c5 {{ type ipv4_addr . inet_service . ifname ; "
        "elements = {{ {addr4} . {port} . va, {addr4} . {port} . vb }} ; }}"
    ),
    "c6": "set {table} c6 {{ type ipv6_addr . inet_service ; elements = {{ {addr6} . {port}, ::1 . {port} }} ; }}",
    "vm4": "map {table} vm4 {{ type ipv4_addr : verdict ; flags interval ; elements = {{ {saddrv*3} }} ; }}",
    "vmp": "map {table} vmp {{ type inet_service : verdict ; flags interval ; elements = {{ {portv*4} }} ; }}",
    "vmc": (
        "map {table} vmc {{ type ipv4_addr . inet_service : verdict ; flags interval ; "
        "elements = {{ 10.0.0.0/8 . {port} : {plainly}, 10.1.0.0/16 . 1-9000 : {plainly} }} ; }}"
    ),
    "dyn4": "set {table} dyn4 {{ type ipv4_addr ; flags dynamic, timeout ; size 1000 ; }}",
    "dynp": "set {table} dynp {{ type ipv4_addr . inet_service ; flags dynamic ; size 1000 ; }}",
    "full4": "set {table} full4 {{ type ipv4_addr ; flags dynamic ; size 1 ; elements = {{ 192.0.2.99 }} ; }}",
    "to4s": (
        "set {table} to4s {{ type ipv4_addr ; flags timeout ; "
        "elements = {{ {addr4} timeout 1h, 10.1.0.99 timeout 1s }} ; }}"
    ),
    "ca4": "set {table} ca4 {{ type ipv4_addr ; flags interval ; elements = {{ 10.1.0.2, * }} ; }}",
    "e4": "set {table} e4 {{ type ipv4_addr ; }}",
    "e5": "set {table} e5 {{ type inet_service ; flags interval ; auto-merge ; }}",
    "mks": "set {table} mks {{ type mark ; elements = {{ 1, 2, 16 }} ; }}",
    "mm4": (
        "map {table} mm4 {{ type ipv4_addr : mark ; flags interval ; "
        "elements = {{ 10.1.0.2 : 1, 10.2.0.0/24 : 2 }} ; }}"
    ),
    "dm4": "map {table} dm4 {{ type ipv4_addr : mark ; flags dynamic ; size 100 ; }}",
    "natm": "map {table} natm {{ type inet_service : ipv4_addr ; elements = {{ 80 : 10.1.0.1 }} ; }}",
    "l1": "limit {table} l1 {{ rate 1000000/second burst 1000000 packets ; }}",
    "q1": "quota {table} q1 {{ over 100 mbytes ; }}",
    "cn": "counter {table} cn",
    "ft": 'ct helper {table} ft {{ type "ftp" protocol tcp ; }}',
    "ctt": "ct timeout {table} ctt {{ protocol tcp ; policy = {{ established : 100 }} ; }}",
}
