#!/usr/bin/python
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Made by `make docs` from plugins/module_utils/firewall/__init__.py and docs/modules/firewall_audit.yml; a test
# compares them. Change those instead.

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall_audit
short_description: Find out who can reach which socket of a host, beside who should
version_added: 0.1.0
author: Cryptobot maintenance contributors (!UNKNOWN)
description:
  - Joins the listening sockets of a host with the packet filter that the kernel holds and compares the outcome with
    a policy. For each socket it says who can open a connection, and which rule decides.
  - On Linux the rules are those of the kernel, from nftables and from both back ends of iptables, for IPv4 and IPv6.
    What ufw, firewalld or C(nftables.service) have stored is compared with them, and decides nothing.
  - On Windows they are those of Windows Firewall as it applies them (C(ActiveStore), local rules and group policy
    together), with the profile of the network that each interface is in. A rule that blocks beats one that allows,
    and rules for programs and services count for their sockets only.
  - On macOS they are those of pf with its anchors and tables, and the list of the application firewall. Where pf is
    off the result says so.
  - Beyond the sockets it looks at the rules themselves. It names those that never decide, that only repeat others,
    whose counters have stood for a month, whose own comment says that they are past, and what they open that nobody
    serves or that is broader than the policy. What each rule opens is asked of the model, so a finding is what
    is shown.
  - Ports that rules lead to other hosts (a published port of a container) never meet the rules for this host's
    own sockets, such as those of ufw. They are held against O(policy) by the port that a peer connects to. Where
    this host passes packets on, its forward chains are looked at, too, for what they do with what no rule names.
  - It remembers what was open to whom, and says what is new (O(baseline)). Findings that somebody answers for are
    skipped with who, why and until when (O(exceptions)).
  - It sends no packet and changes nothing. The verdict comes from a model of the whole exchange. A peer's packet comes
    in, the answer leaves, data follow both ways. It goes through base chains by hook and priority, jumps, sets, maps,
    connection states, marks and NAT at its own place. The module C(firewall_probe) holds the model against connections.
  - What the model does not know (a match by time of day, a rule that hands packets to a program) makes the verdict
    V(unknown) where it matters, and the finding names the rule.
options:
  policy:
    description: All that may be reached, in the shape of the inventory variable C(cryptobot_firewall_policy). What it
      does not name may be reached from the host itself only.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: Port, or range of ports such as V(8000-8004). Of a range each port that is served must
          be reachable.
        type: str
        required: true
      proto:
        description: Protocol of the port.
        type: str
        choices: [tcp, udp]
        default: tcp
      from:
        description: Who may reach it. V(any), V(loopback), or networks of IPv4 or IPv6 such as V(10.0.0.0/8).
        type: list
        elements: str
        required: true
      service:
        description: Name of the service, for the report.
        type: str
      why:
        description: Reason of the entry.
        type: str
      owner:
        description: Who answers for the entry.
        type: str
      expires:
        description: Last day of the entry, such as V(2027-06-30), in UTC. After it the entry allows nothing any more,
          and is a finding itself.
        type: str
      required:
        description: Whether the port must be served and be reachable. If not, the entry only allows it.
        type: bool
        default: true
  scope:
    description:
      - V(all) looks at every listening socket of the host.
      - V(policy) looks only at sockets of ports that O(policy) names, and at those of Cryptobot's own processes, which
        O(own_paths), O(own_units) and O(own_users) tell from others. It suits a host that has other masters too.
    type: str
    choices: [all, policy]
    default: all
  own_paths:
    description: Folders of Cryptobot. A process whose executable, working folder or a word of its command
      line lies in one of them is Cryptobot's own. Windows does not say in which folder a process works. Used
      with O(scope=policy).
    type: list
    elements: path
    default: []
  own_units:
    description: Shell patterns of systemd units, Windows services (in any case) and launchd labels that are Cryptobot's
      own. Of a label such as C(com.cryptobot.auth) what stands behind a dot counts as well. Used with O(scope=policy).
    type: list
    elements: str
    default: [cryptobot*]
  own_users:
    description: Accounts whose sockets are Cryptobot's own, on Windows in any case and without their domain. Used with
      O(scope=policy).
    type: list
    elements: str
    default: [cryptobot]
  require_filter:
    description: Whether this host itself must filter what comes in. If not (a network firewall does it), a filter that
      is absent or lets everything through is reported as V(skipped). What is open beyond the policy stays V(critical).
    type: bool
    default: true
  internal_ports:
    description: TCP ports of services that must not be reachable from everywhere, whatever O(policy) says.
    type: list
    elements: int
    default: [5432, 6379, 9092, 9200, 5601, 9090, 9093, 9100, 9121, 9187]
  exceptions:
    description:
      - Findings that somebody answers for until a day, in the shape of the inventory variable
        C(cryptobot_firewall_exceptions). They are V(skipped), with who, why and until when.
      - One that has expired excuses nothing and is a finding itself. One that nothing is found for is named.
    type: list
    elements: dict
    default: []
    suboptions:
      check:
        description: Id of the check, such as V(firewall.latent_opening).
        type: str
        required: true
      subject:
        description: Subject of the finding as a report shows it, or a shell pattern of it. All subjects of the check
          by default.
        type: str
        default: '*'
      owner:
        description: Who answers for it.
        type: str
        required: true
      reason:
        description: Why it may be so.
        type: str
        required: true
      expires:
        description: Last day on which it counts, in UTC, such as V(2027-06-30). After it it is a finding.
        type: str
        required: true
  baseline:
    description:
      - What becomes of the memory of what was open to whom, with which V(firewall.new_exposure) compares.
      - V(move) remembers what this run sees, so that what is new is reported once. V(keep) leaves it as it is, so that
        what is new is reported until a run with V(move) takes it as known. Check mode never moves it.
    type: str
    choices: [move, keep]
    default: move
  limit:
    description: How many sockets are returned at most with their exposures. Findings are never left out.
    type: int
    default: 500
  state_dir:
    description:
      - Folder in which the collection remembers what it compares with at the next run, and where its lock is held.
      - It is made, readable by its owner only, where it does not exist. An audit also works where it cannot be written.
    type: path
    default: /var/lib/cryptobot-maintenance
  timeout:
    description: Seconds that the whole run may take.
    type: int
    default: 60
extends_documentation_fragment: [cryptobot.maintenance.attributes]
attributes:
  check_mode:
    support: full
    details: It changes nothing in either mode. In check mode it does not write its memory in O(state_dir) either.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux, macos, windows
    details:
      - Tried on real Linux hosts. On macOS and Windows nothing was tried on real ones; the tests stand in for what
        their tools answer. The questions to Windows were evaluated by the real engine of PowerShell 7.
      - Windows needs Windows PowerShell 5.1, the service of Windows Firewall running and an elevated account. macOS
        needs root, for pf.
notes:
  - Run it as root, on Windows by an elevated administrator. Other accounts see neither the packet filter nor the
    owners of others' sockets. The verdicts are then V(unknown) with that reason, except where the policy allows
    a socket anyway or it is bound to loopback.
  - It looks at unicast packets of TCP and UDP for this host. Open means that data pass both ways. What a sender may
    choose (its port, options, headers beside the address) counts at its most open. Limits count as not reached where
    their burst has room for a connection. A sender is looked at on the interface by which the host would answer it.
  - On Linux fragments, and interfaces of VRF, are not modelled. Where two chains of one hook and priority change what
    the other asks for, no listing tells which comes first, and the verdict is V(unknown) where it matters.
  - A source counts as let in where all but one 64th of its addresses get through, so that a few that are banned do not
    make a port closed. What is open beyond O(policy) is counted to the last address.
  - UDP has no listening state. A UDP socket on a port that the system gives to clients (on Linux
    C(net.ipv4.ip_local_port_range), on Windows and macOS the dynamic range), or on port 68 or 546,
    which DHCP clients must use, counts as a client's own and is only listed in RV(client_sockets),
    unless O(policy) names its port.
  - On Linux it needs C(nft) on the host, or the proof of the kernel that it has no nf_tables. It needs C(iptables-save)
    and its relatives only where rules of iptables are loaded, and C(ip) of iproute2 for the routes.
  - On Windows a socket whose rule names what only Windows knows (RPC ports, the address words Internet and Intranet,
    IPsec, interface types, app packages) is V(unknown) where that matters. So is every socket on a network whose
    profile is off while another firewall product is registered. What such products filter is not read, and no more
    is what Hyper-V lets through to virtual machines.
  - On macOS the application firewall asks for the program alone. Of a program that is not in its list the signature
    would decide, which is not read, so such a socket is V(unknown) unless the program came with macOS. Rules of pf that
    route, ask for users or keep no state are V(unknown) where they matter.
  - A rule counts as unused after 30 days in which its counter is known to have stood at 0. Counters begin anew with
    each boot and when rules are loaded, which is noticed by the boot and by the sum of all counters. Rules without a
    counter are named as such.
  - C(firewall.new_exposure) is V(ok) for what is new and allowed by O(policy), else V(warning), and V(unknown) where
    it could not be seen, or where what earlier runs left in O(state_dir) cannot be read or believed, or nothing can
    be written there. A first run makes the baseline. A run that cannot see a socket leaves the memory of it as it is,
    and a service that is away for less than 90 days is not new when it comes back as it was.
  - With O(scope=policy) the listeners of other masters are left out, so that of no port it is known that nobody serves
    it.
seealso:
  - module: cryptobot.maintenance.service_check
  - module: community.general.listen_ports_facts
"""

EXAMPLES = r"""
- name: Compare what can be reached with the policy of the inventory
  cryptobot.maintenance.firewall_audit:
    policy: "{{ cryptobot_firewall_policy }}"
  become: true
  register: cryptobot_result_firewall

- name: SSH for the site, the services for each other, a metrics port for a while
  cryptobot.maintenance.firewall_audit:
    policy:
      - port: 22
        from: [10.0.0.0/8, "fd12:3456::/32"]
        service: sshd
        why: administration
        owner: operations
      - port: 8000-8004
        from: [loopback]
        service: cryptobot
      - port: 9100
        from: [10.0.5.10]
        service: node exporter
        expires: 2027-06-30
  become: true

- name: Look at Cryptobot only, on a workstation behind a router
  cryptobot.maintenance.firewall_audit:
    policy: "{{ cryptobot_firewall_policy }}"
    scope: policy
    own_paths: ["{{ cryptobot_install_dir }}"]
    require_filter: false
- name: Leave one finding to its owner until the end of the year, and take what is open now as known only when asked
  cryptobot.maintenance.firewall_audit:
    policy: "{{ cryptobot_firewall_policy }}"
    exceptions:
      - check: firewall.latent_opening
        subject: "tcp/9100*"
        owner: operations
        reason: the exporter is installed in December
        expires: 2026-12-31
    baseline: "{{ 'move' if cryptobot_firewall_accept | default(false) else 'keep' }}"
  become: true
"""

RETURN = r"""
status:
  description: The worst status of the findings, one of V(ok), V(warning), V(unknown), V(critical).
  returned: always
  type: str
  sample: critical
findings:
  description: What was found, worst first. C(docs/checks.md) lists every check by its id.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: Stable id of the check.
      type: str
    subject:
      description: What it speaks of.
      type: str
    status:
      description: One of V(ok), V(warning), V(critical), V(unknown), V(skipped).
      type: str
    message:
      description: What was seen, in a sentence.
      type: str
    expected:
      description: What was expected.
      type: raw
    actual:
      description: What was seen, as a value.
      type: raw
    remedy:
      description: What to do next; empty where all is well.
      type: str
    procedure:
      description: Id of the procedure in C(docs/procedures.md).
      type: str
  sample:
    - check: firewall.unexpected_open
      subject: tcp 0.0.0.0:5432
      status: critical
      message: 'tcp 0.0.0.0:5432, postgresql@15-main.service (pid 812), is open to any by IPv4. The policy does not name
        it. Decided by: inet filter input: policy accept'
      expected: no other sources than the policy's
      actual:
        sources:
          IPv4: [any]
        decided_by:
          IPv4: 'inet filter input: policy accept'
        pids: [812]
        exe: [/usr/lib/postgresql/15/bin/postgres]
        unit: [postgresql@15-main.service]
      remedy: Stop it, bind it to loopback or close the port; or add it to cryptobot_firewall_policy with its reason.
      procedure: W2.3
metrics:
  description: Numbers of listening, open and unknown sockets and of rules, with Prometheus-style names, and of
    bad findings of each check of the rules themselves.
  returned: always
  type: list
  elements: dict
  sample:
    - name: cryptobot_firewall_open_sockets
      value: 2
      unit: ''
      labels: {}
actions:
  description: Always empty, because the module does not act.
  returned: always
  type: list
  elements: dict
changed:
  description: Always V(false), because the module does not act.
  returned: always
  type: bool
msg:
  description: Why the task failed. What was found until then is returned beside it.
  returned: failure
  type: str
sockets:
  description: The listening sockets, one entry for each protocol, address and port.
  returned: always, except on a platform that cannot be looked at
  type: list
  elements: dict
  contains:
    proto:
      description: V(tcp) or V(udp).
      type: str
    address:
      description: Address that it is bound to. V(0.0.0.0) and V(::) are all of them.
      type: str
    port:
      description: Its port.
      type: int
    families:
      description: The families of peers that it takes, 4 and 6.
      type: list
      elements: int
    loopback_only:
      description: Whether it is bound to loopback, so that nothing outside can reach it.
      type: bool
    pids:
      description: The processes that hold it, as far as they can be seen.
      type: list
      elements: int
    exe:
      description: Their executables.
      type: list
      elements: str
    user:
      description: The accounts that opened it.
      type: list
      elements: str
    unit:
      description: Their systemd units, Windows services or launchd labels.
      type: list
      elements: str
exposures:
  description: Who gets through to which socket.
  returned: always, except on a platform that cannot be looked at
  type: list
  elements: dict
  contains:
    socket:
      description: The socket.
      type: str
    family:
      description: Family of the peers, 4 or 6.
      type: int
    source:
      description: Who is asked about. V(loopback), V(any), or a network that the policy names for the port.
      type: str
    verdict:
      description: V(open) where all get through, V(limited) where some do, V(filtered) where none does, V(unknown)
        where that cannot be told.
      type: str
    decided_by:
      description: The rule, chain policy or circumstance that decides for most of the sources.
      type: str
    open_to:
      description: Who gets through, where that is a part.
      type: list
      elements: str
  sample:
    - socket: tcp 0.0.0.0:22
      family: 4
      source: any
      verdict: limited
      decided_by: 'inet filter input handle 9: ip saddr 10.0.0.0/8 tcp dport 22 accept'
      open_to: [10.0.0.0/8]
left_out:
  description: How many sockets O(limit) left out of the two lists.
  returned: always, except on a platform that cannot be looked at
  type: int
outside_scope:
  description: How many sockets O(scope) left out of the audit.
  returned: always, except on a platform that cannot be looked at
  type: int
client_sockets:
  description: UDP sockets that count as clients' own.
  returned: always, except on a platform that cannot be looked at
  type: list
  elements: str
engine:
  description: The packet filter of the host. Per family whether it is visible and active, the back ends and tables that
    hold rules, the policies of the input chains, settings in words (profiles of Windows; stealth mode and pf of macOS),
    and the managers of rules that were found.
  returned: always, except on a platform that cannot be looked at
  type: dict
  sample:
    visible:
      IPv4: true
      IPv6: true
    active:
      IPv4: true
      IPv6: true
    backends: [nft]
    tables:
      - backend: nft
        family: inet
        name: filter
    policies:
      inet filter input: drop
    settings: {}
    managers:
      nftables.service: enabled
published:
  description: The ports that rules lead to other hosts, and what becomes of everybody who connects to them.
  returned: always, except on a platform that cannot be looked at
  type: list
  elements: dict
  contains:
    port:
      description: The port and where it leads.
      type: str
    family:
      description: Family of the peers, 4 or 6.
      type: int
    led_by:
      description: The rule that leads it there.
      type: str
    verdict:
      description: As of an exposure.
      type: str
    decided_by:
      description: The rule, chain policy or circumstance that decides for most of the sources.
      type: str
    open_to:
      description: Who gets through, where that is a part.
      type: list
      elements: str
  sample:
    - port: tcp/8080 to 172.17.0.2 port 80
      family: 4
      led_by: 'ip nat DOCKER rule 2: ! -i docker0 -p tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80'
      verdict: open
      decided_by: 'ip filter DOCKER rule 1: -d 172.17.0.2/32 -p tcp --dport 80 -j ACCEPT'
baseline:
  description: The memory that this run compares with. When it was taken (empty where there is none), and by socket and
    family since when nobody was added to those who get through.
  returned: always, except on a platform that cannot be looked at
  type: dict
  sample:
    at: 2026-11-22 08:00 UTC
    open_since:
      tcp 0.0.0.0:22 IPv4: 2026-08-30 08:00 UTC
remembered:
  description: Whether the run could write what the next one compares with into O(state_dir).
  returned: outside check mode, except on a platform that cannot be looked at
  type: bool
blind_spots:
  description: What this audit cannot see or does not look at, with the reason.
  returned: always, except on a platform that cannot be looked at
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cryptobot.maintenance.plugins.module_utils._ansible_module import exit_with
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import argument_spec


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(SPEC), supports_check_mode=True)
    exit_with(module, run, acts=False)


if __name__ == "__main__":
    main()
