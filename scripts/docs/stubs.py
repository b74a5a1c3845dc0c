# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The text of the generated modules and action plugins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sources

OWN_ACTION = {"checkup", "firewall_probe"}  # one validates the options of other areas, one asks the inventory

MODULE = """\
#!/usr/bin/python
{licence}

{note}

from __future__ import annotations

{texts}

{main}

if __name__ == "__main__":
    main()
"""

ON_CONTROLLER = MODULE.partition("\n")[2].partition("\n\n{main}")[0] + "\n"  # nothing runs it: it needs no interpreter

ACTION = """\
{licence}

{note}

from __future__ import annotations

{imports}


class ActionModule(MaintenanceAction):
    \"""The controller's half of the module {area.module}.\"""

    _supports_check_mode = True
    area = "{area.name}"
    spec = argument_spec(SPEC)
"""

MAIN = """\
def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(SPEC), supports_check_mode=True)
{secrets}    exit_with(module, run{flags})
"""
NARROWED = """\
    # Until here every value of an environment counted as secret, which would mask ports and paths in the answer.
    module.no_log_values = secrets_among(module.no_log_values, module.params)
"""

CHECKUP = """
AREAS = {{
{table}
}}


def parts() -> tuple[ModuleType, ...]:
    \"""Return what runs each area. Nobody calls it: Ansible packs what it finds in import statements, and a host should
    import only what it is asked for.
    \"""
{imports}

    return {names}


def area_options(module: AnsibleModule) -> tuple[dict[str, Any], set[str]]:
    \"""Given the module, return each area's validated options and the secrets among them; fail on the first error.\"""
    validated, secrets = {{}}, set()
    for name, options in module.params["checks"].items():
        if name not in AREAS:
            module.fail_json(msg=f"checks names {{name!r}}, expected one of {{sorted(AREAS)}}")
        given = {{"state_dir": module.params["state_dir"], **(options or {{}}), **AREAS[name].force}}
        outcome = ArgumentSpecValidator(deepcopy(argument_spec(AREAS[name].spec))).validate(given)
        if outcome.error_messages:
            module.fail_json(msg=f"checks.{{name}}: {{'; '.join(outcome.error_messages)}}")
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
"""


def action(area: Any, note: str) -> str:
    """Given an area and the lines that say what it is made of, return the area's action plugin."""
    imports = [
        f"from {sources.PACKAGE}.module_utils.{area.name} import SPEC",
        f"from {sources.PACKAGE}.module_utils.options import argument_spec",
        f"from {sources.PACKAGE}.plugin_utils.action_base import MaintenanceAction",
    ]
    return ACTION.format(licence=sources.LICENCE, note=note, imports=_joined(imports), area=area)


def main(area: Any) -> str:
    """Return the imports of an area's module, and its functions."""
    core = f"{sources.PACKAGE}.module_utils"
    imported = [
        f"from {core}._ansible_module import exit_with",
        f"from {core}.{area.name} import SPEC",
        f"from {core}.{area.name}.run import run",
        f"from {core}.options import argument_spec",
    ]
    hides = area.name == "checkup" or bool(set(secret_mappings(area.spec)))
    imported += [f"from {core}.option_secrets import secrets_among"] if hides else []
    ansible = ["from ansible.module_utils.basic import AnsibleModule"]
    if area.name == "checkup":
        within = sources.looked_at()
        imported += [f"from {core}.{each.name} import AREA as {each.name.upper()}" for each in within]
        standard = ["from copy import deepcopy", "from types import ModuleType", "from typing import Any"]
        ansible += ["from ansible.module_utils.common.arg_spec import ArgumentSpecValidator"]
        return _joined(standard, ansible, imported) + "\n" + checkup(core, [each.name for each in within])
    flags = {"acts": area.acts, "low_priority": area.low_priority}
    told = "".join(f", {name}=False" for name, value in flags.items() if not value)
    return _joined(ansible, imported) + "\n\n\n" + MAIN.format(secrets=NARROWED if hides else "", flags=told)


def checkup(core: str, names: list[str]) -> str:
    """Return the functions of the module checkup, given the core's package and the areas that it may look at."""
    return CHECKUP.format(
        table="\n".join(f'    "{name}": {name.upper()},' for name in names),
        imports="\n".join(f"    from {core}.{name} import run as {name}" for name in names),
        names=", ".join(names),
    )


def _joined(*blocks: list[str]) -> str:
    return "\n\n".join("\n".join(sorted(block, key=_place)) for block in blocks)


def _place(statement: str) -> tuple[str, ...]:
    """Return a key by which imports are sorted as ruff sorts them."""
    _from, module, _import, name = statement.split(" ", 3)
    return (module, name)


def secret_mappings(spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield the options that are mappings and secret as a whole, of which an answer hides only what is a secret."""
    for name, option in spec.items():
        if option.get("no_log") and option["type"] == "dict":
            yield name
        yield from secret_mappings(option.get("options") or {})
