#!/usr/bin/python
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Made by `make docs` from plugins/module_utils/firewall_apply/__init__.py and docs/modules/firewall_commit.yml; a
# test compares them. Change those instead.

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall_commit
short_description: Change a firewall so that the host takes it back by itself unless it is confirmed
version_added: 0.2.0
author: Cryptobot maintenance contributors (!UNKNOWN)
description:
  - Says what ufw, firewalld, nftables or Windows would have to be told so that a host lets in what a policy has
    and nothing else, keeps what is there, and has the host restore that by itself unless the change is confirmed.
    It changes no rule itself. The role C(firewall_apply) makes the changes by existing modules in between.
  - The connection by which it comes stays allowed, whether or not the policy has it.
  - Nothing is armed where the rules of the host could not be restored exactly. To find out, they are loaded in an empty
    network namespace, and must be listed there as they are here.
  - Confirmed is a change only by another connection than the one that armed it, and only when all that was planned is
    done. An established connection is let through whatever the rules say, so it proves nothing.
  - A reboot before the confirmation is a rollback, too. A unit that is there only so long restores the files before
    anything reads them.
options:
  state:
    description:
      - V(planned) looks, and says what would have to be changed. It changes nothing.
      - V(armed) keeps what is there now, and has the host restore that by itself after O(seconds). It must come before
        the first change. With O(commit) it begins these seconds anew.
      - V(confirmed) ends that, where it comes by another connection than V(armed) did and all that was planned is done.
        What is there then stays.
      - V(rolled_back) restores now what was there before.
    type: str
    choices: [planned, armed, confirmed, rolled_back]
    default: planned
  policy:
    description: All that may be reached from outside, in the shape of the inventory variable
      C(cryptobot_firewall_policy). What has expired, and what is for V(loopback), opens nothing.
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
  manager:
    description: Which program has the rules of this host. V(auto) takes the one that is enabled. One that is named is
      enabled where none is. Where another one is enabled, nothing is done.
    type: str
    choices: [auto, ufw, firewalld, nftables, windows]
    default: auto
  management_port:
    description: Port by which WinRM comes to a Windows host. Elsewhere the ssh session that this runs in says itself
      where it came from, and to which port.
    type: int
    default: 5986
  commit:
    description: Which change is meant, as V(armed) returned it in RV(firewall_commit.id).
    type: str
  reason:
    description: Why a change is taken back, for whoever reads of it.
    type: str
    default: ''
  seconds:
    description: Seconds after which the host has restored what was there, from 20 to 600. It begins a few seconds
      before they are over.
    type: int
    default: 60
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
    details: It says what V(planned) does, whatever O(state) is.
  diff_mode:
    support: full
  idempotent:
    support: full
    details: Where nothing differs from the policy, nothing is armed.
  platform:
    support: full
    platforms: linux, windows
    details:
      - Tried on real hosts with systemd, with ufw, firewalld and nftables. macOS has none of these and is refused.
      - Nothing was tried on a real Windows. What is asked of it is answered by stand-ins in the tests; the script that
        restores its rules was run by the real engine of PowerShell 7. Try it on a host that you can reach otherwise.
      - On Windows the change is kept by C(netsh advfirewall export), and a task of the scheduler, which runs as SYSTEM
        and also at the start of the system, imports it. Whether a rule of ours was edited by hand is not seen, only
        whether it works.
notes:
  - It runs as root and comes by ssh; on Windows by WinRM as an administrator. Whoever is connected to
    O(management_port) there stays allowed.
  - A change takes as long as it takes. O(state=armed) with O(commit) begins the seconds anew; they count from the last
    time.
  - A rollback restores the kernel's rules of that moment, all tables of nftables and both back ends of iptables. What
    another program (a container engine, fail2ban) changed in between is taken back with it.
  - What lets in more than the policy is removed where it is a rule of the manager itself. Rules that deny, forward or
    are for what goes out stay, and so do other tables of nftables. What is left is in RV(firewall_commit.left).
seealso:
  - module: cryptobot.maintenance.firewall_audit
  - module: community.general.ufw
  - module: ansible.posix.firewalld
"""

EXAMPLES = r"""
- name: See what the policy would change
  cryptobot.maintenance.firewall_commit:
    policy: "{{ cryptobot_firewall_policy }}"
  register: cryptobot_result_firewall_apply

- name: Keep what is there, to be restored after a minute
  cryptobot.maintenance.firewall_commit:
    state: armed
    policy: "{{ cryptobot_firewall_policy }}"
  register: armed

- name: Take it back at once
  cryptobot.maintenance.firewall_commit:
    state: rolled_back
    commit: "{{ armed.firewall_commit.id }}"
"""

RETURN = r"""
status:
  description: The worst status of the findings, one of V(ok), V(warning), V(unknown), V(critical).
  returned: always
  type: str
  sample: ok
findings:
  description: Whether the manager has what the policy says, whether a change waits, whether one was rolled back.
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
    - check: firewall.apply_planned
      subject: trader1
      status: ok
      message: ufw has what the policy says
      expected: null
      actual: null
      remedy: ''
      procedure: W2.3
metrics:
  description: Numbers with a name in the style of Prometheus, a unit and labels.
  returned: always
  type: list
  elements: dict
actions:
  description: The steps of the change, V(planned), or V(done) when it is confirmed.
  returned: always
  type: list
  elements: dict
  contains:
    action:
      description: V(allow), V(remove), V(deny), V(load), V(store), V(include), V(start) or V(enable).
      type: str
    subject:
      description: What is allowed or removed, or the unit or file.
      type: str
    state:
      description: V(planned) or V(done).
      type: str
    reason:
      description: Why.
      type: str
  sample:
    - action: allow
      subject: tcp/5432 from 10.0.0.0/8
      state: planned
      reason: the policy has it
      details: {}
changed:
  description: Whether anything on the host was changed, in check mode whether a run would change it.
  returned: always
  type: bool
msg:
  description: Why the task failed. What was found until then is returned beside it.
  returned: failure
  type: str
firewall_commit:
  description: The change.
  returned: success
  type: dict
  contains:
    id:
      description: By which name it is confirmed or taken back; empty where none is armed.
      type: str
    manager:
      description: Which program has the rules.
      type: str
    management:
      description: The connection that is kept, as the host sees it.
      type: dict
    openings:
      description: What is to be open.
      type: list
      elements: str
    load:
      description: The calls of existing modules by which the rules that act are changed.
      type: list
      elements: dict
    store:
      description: Those by which it is changed what the next boot loads.
      type: list
      elements: dict
    left:
      description: Rules that no entry of the policy has and that are left as they are.
      type: list
      elements: str
    ruleset:
      description: The table of nftables.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cryptobot.maintenance.plugins.module_utils._ansible_module import exit_with
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_apply import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_apply.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import argument_spec


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(SPEC), supports_check_mode=True)
    exit_with(module, run, low_priority=False)


if __name__ == "__main__":
    main()
