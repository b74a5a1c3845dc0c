#!/usr/bin/python
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Made by `make docs` from plugins/module_utils/firewall_probe/__init__.py and docs/modules/firewall_probe.yml; a test
# compares them. Change those instead.

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall_probe
short_description: Hold what hosts get at each other's ports against their packet filters
version_added: 0.2.0
author: Cryptobot maintenance contributors (!UNKNOWN)
description:
  - In its first step a host tries a TCP connection to each declared port of other hosts, at a bounded rate, and closes
    at once what opens. No data is sent. In its second step a host holds what the others got against what its own rules
    and listening sockets say of exactly that connection.
  - Both together see what no look at one host can. A cloud's security group, a router, a NAT on the way, the rules by
    which another host lets packets out.
  - Where the rules say filtered and a connection opens, that is V(critical). Where they let it in and it ends
    otherwise, it is a V(warning); refused where nobody listens is as it should be. What the rules do not tell,
    and what nobody could try, is not compared and named.
options:
  step:
    description:
      - V(knock) tries, from this host, a TCP connection to each declared port of O(targets), and closes it at once.
        It sends no data. In check mode it only says at what it would knock.
      - V(compare) holds what other hosts got when they knocked here (O(heard)) against this host's packet filter and
        listening sockets. It sends nothing.
    type: str
    choices: [knock, compare]
    default: knock
  enabled:
    description: Whether this host may knock at others, and others at it. Without it no packet is sent by either.
    type: bool
    default: false
  host_address:
    description: What Ansible reaches the host by, C(ansible_host). A name tells no address.
    type: str
  addresses:
    description:
      - Further addresses of this host at which others knock, of IPv4 or IPv6. Needed where C(ansible_host) is a name,
        or an address that only the controller reaches the host by.
      - Such as V([10.0.0.5, 'fd12:3456::5']).
    type: list
    elements: str
    default: []
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
  targets:
    description: The other hosts, as each declares itself. An address that the inventory has not for its host is
      refused.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: Its name in the inventory.
        type: str
        required: true
      enabled:
        description: Whether this host may knock at others, and others at it. Without it no packet is sent by either.
        type: bool
        default: false
      host_address:
        description: What Ansible reaches the host by, C(ansible_host). A name tells no address.
        type: str
      addresses:
        description:
          - Further addresses of this host at which others knock, of IPv4 or IPv6. Needed where C(ansible_host) is a
            name, or an address that only the controller reaches the host by.
          - Such as V([10.0.0.5, 'fd12:3456::5']).
        type: list
        elements: str
        default: []
      policy:
        description: All that may be reached, in the shape of the inventory variable C(cryptobot_firewall_policy). What
          it does not name may be reached from the host itself only.
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
            description: Last day of the entry, such as V(2027-06-30), in UTC. After it the entry allows nothing any
              more, and is a finding itself.
            type: str
          required:
            description: Whether the port must be served and be reachable. If not, the entry only allows it.
            type: bool
            default: true
  heard:
    description: What each other host got here. The keys are names of the inventory, the values lists of RV(knocks).
    type: dict
    default: {}
  rate:
    description: Connections that this host begins a second at most, from 1 to 10.
    type: int
    default: 10
  wait:
    description: Seconds to wait for an answer, up to 10. Windows takes 2 to say that it refuses.
    type: float
    default: 3.0
  limit:
    description: Connections that this host tries at most, up to 1000. What is left out is named.
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
    default: 180
extends_documentation_fragment: [cryptobot.maintenance.attributes]
attributes:
  check_mode:
    support: full
    details: No packet is sent. What would be knocked at is planned, by the function that a run uses too.
  diff_mode:
    support: none
  idempotent:
    support: full
    details: It changes nothing; what it is answered may differ from run to run.
  platform:
    support: full
    platforms: linux, macos, windows
    details: Tried on real Linux hosts. On macOS and Windows nothing was tried on real ones.
notes:
  - Nothing is contacted but addresses that the inventory names for its hosts. The controller refuses any other before
    it asks a host.
  - UDP ports are named and not knocked at. A UDP service that gets nothing it knows stays silent, and so does a filter.
  - A knock is an ordinary connection with an ordinary source port. A rule that wants a certain source port, or
    an interface that is not the way to the other host, is not what it shows.
  - The rule that this host's own packets meet on their way out counts as the way to the other host, so a connection
    that it stops is a V(warning) at the other host.
seealso:
  - module: cryptobot.maintenance.firewall_audit
"""

EXAMPLES = r"""
- name: Knock at the other hosts, and keep what came of it
  cryptobot.maintenance.firewall_probe:
    enabled: true
    targets:
      - host: db1
        enabled: true
        host_address: 10.0.0.5
        policy:
          - port: 5432
            from: [10.0.0.0/24]
  register: cryptobot_result_firewall_probe__knock

- name: On db1, hold what app1 got there against the packet filter
  cryptobot.maintenance.firewall_probe:
    step: compare
    enabled: true
    host_address: 10.0.0.5
    policy: "{{ cryptobot_firewall_policy }}"
    heard:
      app1: "{{ hostvars.app1.cryptobot_result_firewall_probe__knock.knocks.db1 }}"
  become: true
  register: cryptobot_result_firewall_probe
"""

RETURN = r"""
status:
  description: The worst status of the findings, one of V(ok), V(warning), V(unknown), V(critical).
  returned: always
  type: str
  sample: ok
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
    - check: firewall.probe_disagrees
      subject: tcp 10.0.0.5:5432
      status: critical
      message: 'tcp 10.0.0.5:5432 connects from app1 (10.0.0.7), but the rules of this host say filtered: inet filter
        input: policy drop; nobody is known to listen'
      expected: 'filtered: inet filter input: policy drop'
      actual:
        answer: open
        by: [app1]
        ms: 0.4
      remedy: 'Something answers that the rules do not know. On app1: ...'
      procedure: T3.2
metrics:
  description: Numbers of pairs, of those that agree, disagree and are not compared.
  returned: always
  type: list
  elements: dict
  sample:
    - name: cryptobot_firewall_probe_agreed
      value: 18
      unit: ''
      labels: {}
actions:
  description: The steps, V(planned) in check mode, else V(done), V(skipped) or V(failed), each with its reason.
  returned: always
  type: list
  elements: dict
changed:
  description: Whether anything on the host was changed, in check mode whether a run would change it.
  returned: always
  type: bool
msg:
  description: Why the task failed. What was found until then is returned beside it.
  returned: failure
  type: str
knocks:
  description: By host what was tried there.
  returned: O(step=knock)
  type: dict
  sample:
    db1:
      - address: 10.0.0.5
        port: 5432
        proto: tcp
        source: 10.0.0.7
        answer: open
        ms: 0.4
        why: ''
left_out:
  description: By host why it, or a part of it, was not knocked at.
  returned: O(step=knock)
  type: dict
  sample:
    db2: cryptobot_firewall_probe is not true for it
pairs:
  description: Each port of this host as each other host knocked at it, and what the rules say of that.
  returned: O(step=compare)
  type: list
  elements: dict
  contains:
    by:
      description: The other host.
      type: str
    address:
      description: Address of this host.
      type: str
    port:
      description: Port of this host.
      type: int
    proto:
      description: V(tcp).
      type: str
    source:
      description: Address from which the other host knocked.
      type: str
    answer:
      description: V(open), V(refused) (by the host, or by a filter that rejects), V(timeout), V(unreachable) (a message
        that says so, or no route) or V(error).
      type: str
    ms:
      description: Milliseconds until then.
      type: float
    verdict:
      description: V(open), V(filtered) or V(unknown) by the rules of this host.
      type: str
    decided_by:
      description: The rule, chain policy or circumstance that decides.
      type: str
    listener:
      description: Who gets the connection; empty where nobody listens.
      type: str
    status:
      description: V(ok) where both agree, V(critical) or V(warning) where not, V(unknown) where they are not compared.
      type: str
    why:
      description: Why they are not compared.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cryptobot.maintenance.plugins.module_utils._ansible_module import exit_with
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_probe import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_probe.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import argument_spec


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(SPEC), supports_check_mode=True)
    exit_with(module, run)


if __name__ == "__main__":
    main()
