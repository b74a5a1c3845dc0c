#!/usr/bin/python
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Made by `make docs` from plugins/module_utils/checkup/__init__.py and docs/modules/checkup.yml; a test compares
# them. Change those instead.

from __future__ import annotations

DOCUMENTATION = r"""
module: checkup
short_description: Run several read-only checks of a Cryptobot host in one trip
version_added: 0.1.0
author: Cryptobot maintenance contributors (!UNKNOWN)
description:
  - Runs any of the collection's read-only areas in a single module call and returns each one's result under its name.
  - A trip to a host costs more than everything that these checks do there, so a cadence uses one checkup instead of
    one task for each procedure. Every area is also a module of its own.
  - Nothing is ever changed. Areas whose module acts are run as in check mode, and V(changed) stays V(false).
options:
  checks:
    description:
      - What to look at. The keys are areas, the values are the options of that area's module.
      - V(backup) takes the options of M(cryptobot.maintenance.backup_archive) with
        O(cryptobot.maintenance.backup_archive#module:state=verified), V(cleanup)
        those of M(cryptobot.maintenance.disk_cleanup), V(database) those of M(cryptobot.maintenance.db_vacuum)
        with O(cryptobot.maintenance.db_vacuum#module:mode=plan), V(firewall) those
        of M(cryptobot.maintenance.firewall_audit), V(firewall_probe) those of M(cryptobot.maintenance.firewall_probe),
        V(pitr) those of M(cryptobot.maintenance.pitr_check), V(resources) those of
        M(cryptobot.maintenance.resource_check), V(restart) those of M(cryptobot.maintenance.service_restart),
        V(services) those of M(cryptobot.maintenance.service_check).
      - They are validated as that module would. O(state_dir) is handed to each area that does not name its own.
    type: dict
    required: true
  state_dir:
    description:
      - Folder in which the collection remembers what it compares with at the next run, and where its lock is held.
      - It is made, readable by its owner only, where it does not exist. An audit also works where it cannot be written.
    type: path
    default: /var/lib/cryptobot-maintenance
  timeout:
    description: Seconds that the whole run may take. Areas not reached by then are reported as V(unknown).
    type: int
    default: 600
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
seealso:
  - module: cryptobot.maintenance.service_check
  - module: cryptobot.maintenance.resource_check
  - module: cryptobot.maintenance.firewall_audit
"""

EXAMPLES = r"""
- name: Look at resources, services and firewall in one trip
  cryptobot.maintenance.checkup:
    checks:
      resources:
        thresholds: "{{ cryptobot_thresholds }}"
      services:
        services: "{{ cryptobot_services }}"
      firewall:
        policy: "{{ cryptobot_firewall_policy }}"
  register: cryptobot_result_checkup

- name: Show what is wrong
  ansible.builtin.debug:
    msg: "{{ item.value.findings | rejectattr('status', 'eq', 'ok') }}"
  loop: "{{ cryptobot_result_checkup.areas | dict2items }}"
  loop_control:
    label: "{{ item.key }}: {{ item.value.status }}"
"""

RETURN = r"""
status:
  description: V(ok) where each area could be looked at; what they found is under RV(areas).
  returned: always
  type: str
  sample: ok
findings:
  description: One finding for each area that was asked for, V(unknown) with the reason where it could not be looked
    at.
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
    - check: checkup.ran
      subject: firewall
      status: ok
metrics:
  description: Always empty; each area's metrics are in RV(areas).
  returned: always
  type: list
  elements: dict
actions:
  description: Always empty, because a checkup does not act.
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
areas:
  description: Each area's result under its name, as its own module returns it, with the seconds it took.
  returned: success
  type: dict
  sample:
    services:
      status: ok
      findings: []
      seconds: 0.21
"""

from copy import deepcopy
from types import ModuleType
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.cryptobot.maintenance.plugins.module_utils._ansible_module import exit_with
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import AREA as BACKUP
from ansible_collections.cryptobot.maintenance.plugins.module_utils.checkup import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.checkup.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup import AREA as CLEANUP
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database import AREA as DATABASE
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall import AREA as FIREWALL
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_probe import AREA as FIREWALL_PROBE
from ansible_collections.cryptobot.maintenance.plugins.module_utils.option_secrets import secrets_among
from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import argument_spec
from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr import AREA as PITR
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources import AREA as RESOURCES
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart import AREA as RESTART
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services import AREA as SERVICES

AREAS = {
    "backup": BACKUP,
    "cleanup": CLEANUP,
    "database": DATABASE,
    "firewall": FIREWALL,
    "firewall_probe": FIREWALL_PROBE,
    "pitr": PITR,
    "resources": RESOURCES,
    "restart": RESTART,
    "services": SERVICES,
}


def parts() -> tuple[ModuleType, ...]:
    """Return what runs each area. Nobody calls it: Ansible packs what it finds in import statements, and a host should
    import only what it is asked for.
    """
    from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import run as backup
    from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup import run as cleanup
    from ansible_collections.cryptobot.maintenance.plugins.module_utils.database import run as database
    from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall import run as firewall
    from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_probe import run as firewall_probe
    from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr import run as pitr
    from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources import run as resources
    from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart import run as restart
    from ansible_collections.cryptobot.maintenance.plugins.module_utils.services import run as services

    return backup, cleanup, database, firewall, firewall_probe, pitr, resources, restart, services


def area_options(module: AnsibleModule) -> tuple[dict[str, Any], set[str]]:
    """Given the module, return each area's validated options and the secrets among them; fail on the first error."""
    validated, secrets = {}, set()
    for name, options in module.params["checks"].items():
        if name not in AREAS:
            module.fail_json(msg=f"checks names {name!r}, expected one of {sorted(AREAS)}")
        given = {"state_dir": module.params["state_dir"], **(options or {}), **AREAS[name].force}
        outcome = ArgumentSpecValidator(deepcopy(argument_spec(AREAS[name].spec))).validate(given)
        if outcome.error_messages:
            module.fail_json(msg=f"checks.{name}: {'; '.join(outcome.error_messages)}")
        validated[name] = outcome.validated_parameters
        # the validator offers no public name for them
        secrets |= secrets_among(outcome._no_log_values, outcome.validated_parameters)
    return validated, secrets


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(SPEC), supports_check_mode=True)
    checks, secrets = area_options(module)
    # Until here every value below "checks" counted as secret, which would mask ports and paths in the answer.
    module.no_log_values = secrets
    module.params["checks"] = checks
    exit_with(module, run, acts=False)


if __name__ == "__main__":
    main()
