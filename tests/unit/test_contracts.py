# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for every module and area alike: documentation equals code, ids are documented, shells are the same."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from catalogue import all_checks, catalogues

yaml = pytest.importorskip("yaml", reason="the core's own environments have no YAML; the controller's has")
pytest.importorskip("ansible", reason="modules and action plugins need ansible-core")

CHECKOUT = Path(__file__).resolve().parents[2]
PLUGINS = "ansible_collections.cryptobot.maintenance.plugins"
SHELLS = {"bridge", "runner"}  # the ways to a host, whose options validate-modules compares
MODULES = sorted(path.stem for path in (CHECKOUT / "plugins" / "modules").glob("*.py") if path.stem not in SHELLS)
AREA_MODULES = [name for name in MODULES if name not in ("report", "validate")]


def documented(module: str) -> dict[str, Any]:
    """Return the documented options of a module, those of its fragments included."""
    text = importlib.import_module(f"{PLUGINS}.modules.{module}").DOCUMENTATION
    page = yaml.safe_load(text)
    options: dict[str, Any] = {}
    for name in page.get("extends_documentation_fragment", []):
        fragment = importlib.import_module(f"{PLUGINS}.doc_fragments.{name.rpartition('.')[2]}").ModuleDocFragment
        options.update(yaml.safe_load(fragment.DOCUMENTATION).get("options") or {})
    return {**options, **page["options"]}


def spec_of(module: str) -> dict[str, Any]:
    action = importlib.import_module(f"{PLUGINS}.action.{module}")
    return dict(getattr(action, "SPEC", None) or action.ActionModule.spec)


def interface(options: dict[str, Any], nested: str) -> dict[str, Any]:
    """Return what a user can rely on, in one shape for documentation (suboptions) and argument_spec (options)."""
    return {
        name: {
            "type": option.get("type", "str"),
            "elements": option.get("elements"),
            "required": bool(option.get("required", False)),
            "default": option.get("default"),
            "choices": sorted(map(str, option.get("choices") or [])),
            "options": interface(option.get(nested) or {}, nested),
        }
        for name, option in options.items()
    }


@pytest.mark.parametrize("module", MODULES)
def test_the_documented_options_are_those_of_the_code(module: str) -> None:
    assert interface(documented(module), "suboptions") == interface(spec_of(module), "options")


def secrets(options: dict[str, Any], path: str = "") -> dict[str, bool]:
    """Return each option whose name says that it is a credential, and whether it is marked no_log."""
    found = {}
    for name, option in options.items():
        where = f"{path}{name}"
        if re.search(r"password|secret|token|api_key", name) and option.get("type") in (None, "str"):
            found[where] = option.get("no_log") is True
        found.update(secrets(option.get("options") or {}, f"{where}."))
    return found


def test_every_credential_among_the_options_is_marked_as_secret() -> None:
    marked = {f"{module}.{name}": mark for module in MODULES for name, mark in secrets(spec_of(module)).items()}
    assert marked, "no module has a credential: the test looks at the wrong names"
    assert [name for name, mark in marked.items() if not mark] == []


def fallbacks(options: dict[str, Any], path: str = "") -> list[str]:
    """Return the options that take a value from elsewhere where none is given."""
    found = []
    for name, option in options.items():
        found += [f"{path}{name}"] if "fallback" in option else []
        found += fallbacks(option.get("options") or {}, f"{path}{name}.")
    return found


@pytest.mark.parametrize("module", AREA_MODULES)
def test_no_option_falls_back_to_an_environment(module: str) -> None:
    """Arguments are validated on the controller alone: it would be the environment of the controller."""
    assert fallbacks(spec_of(module)) == []


def test_a_fallback_would_be_found() -> None:
    option = {"fallback": (print, ["HOME"])}
    assert fallbacks({"a": option, "b": {"options": {"c": option}}}) == ["a", "b.c"]


@pytest.mark.parametrize("module", AREA_MODULES)
def test_every_module_has_its_half_on_the_controller_and_opts_in_to_check_mode(module: str) -> None:
    action = importlib.import_module(f"{PLUGINS}.action.{module}").ActionModule
    assert action._supports_check_mode is True


@pytest.mark.parametrize("module", AREA_MODULES)
def test_the_main_of_a_module_is_an_outline(module: str) -> None:
    source = (CHECKOUT / "plugins" / "modules" / f"{module}.py").read_text("utf-8")
    mains = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == "main"]
    assert len(mains) == 1
    assert (mains[0].end_lineno or 0) - mains[0].lineno <= 15


def area_runs() -> list[str]:
    return sorted(path.parent.name for path in (CHECKOUT / "plugins" / "module_utils").glob("*/run.py"))


@pytest.mark.parametrize("area", area_runs())
def test_every_area_runs_by_the_same_signature(area: str) -> None:
    run = importlib.import_module(f"{PLUGINS}.module_utils.{area}.run").run
    parameters = inspect.signature(run).parameters
    assert list(parameters)[:3] == ["params", "host", "check_mode"]
    assert parameters["check_mode"].default is False


SOURCES = {path: path.read_text("utf-8") for path in (CHECKOUT / "plugins").rglob("*.py")}


def used_ids(folder: Path) -> set[str]:
    """Return the ids that the code beside a list of checks names."""
    text = "\n".join(SOURCES[path] for path in folder.rglob("*.py") if path.name != "checks.py")
    whole = set(re.findall(r'"([a-z]+\.[a-z0-9_]+)"', text))
    rules = {f"{folder.name}.{rule}" for rule in re.findall(r'"([a-z0-9_]+)"', text)}  # named without their area
    return whole | rules


def made_ids(folder: str) -> set[str]:
    """Return the ids of a folder that a decorated function makes, or whose check has a name that is used."""
    core = CHECKOUT / "plugins" / "module_utils"
    text = "\n".join(SOURCES[path] for path in (*(core / folder).rglob("*.py"), *core.glob("*.py")))
    ruled = set(re.findall(r'^@RULES\.rule\(\s*"([a-z0-9_.]+)"', text, re.M))
    ruled |= set(re.findall(r'^    Threshold\(\s*"([a-z0-9_.]+)"', text, re.M))  # the rows that add_rows takes
    named = dict(re.findall(r'^(\w+) = RULES\.check\(\s*"([a-z0-9_.]+)"', text, re.M))
    return ruled | {check for name, check in named.items() if len(re.findall(rf"\b{name}\b", text)) > 1}


@pytest.mark.parametrize("declared_in", catalogues())
def test_every_check_of_the_catalogue_is_made_somewhere(declared_in: str) -> None:
    path, ids = CHECKOUT / "plugins" / declared_in, set(catalogues()[declared_in])
    # an area may join the rules of what is no area; the ids of firewall_probe begin with firewall
    folders = {declared_in, *(check.partition(".")[0] for check in ids)}
    assert ids - (used_ids(path.parent) if path.is_file() else set().union(*map(made_ids, folders))) == set()


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.id)
def test_every_check_belongs_to_a_known_procedure_and_says_what_to_do(check: Any) -> None:
    sections = yaml.safe_load((CHECKOUT / "docs" / "procedures.yml").read_text("utf-8"))
    known = {entry["id"] for section in sections for entry in section["procedures"]}
    assert check.procedure in known
    assert check.summary.endswith(".")
    assert check.remedy


def test_no_two_areas_share_a_check_id() -> None:
    ids = [check.id for check in all_checks()]
    assert sorted(ids) == sorted(set(ids))


# What of cryptobot_backup says where a set lies, who may read it and who vouches for it.
PLACE = {"store", "repository", "repository_password", "repository_password_file", "repository_environment", "restic"}
PLACE |= {"sign_key_file", "trusted_accounts"}


def tasks_of(block: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the tasks of a file, those inside of blocks included."""
    inner = [
        task for outer in block for part in ("block", "rescue", "always") for task in tasks_of(outer.get(part, []))
    ]
    return [*block, *inner]


def test_every_task_of_a_role_that_reads_sets_is_told_where_they_lie() -> None:
    told = []
    for path in sorted((CHECKOUT / "roles").glob("*/tasks/*.yml")):
        for task in tasks_of(yaml.safe_load(path.read_text()) or []):
            for module in (name.rpartition(".")[2] for name in task if name.startswith("cryptobot.maintenance.")):
                options = task[f"cryptobot.maintenance.{module}"] or {}
                if "dir" in options and module != "pitr_restore":
                    told.append(module)
                    assert PLACE & set(spec_of(module)) <= set(options), f"{path}: {task['name']}"
    assert {"backup_archive", "backup_restore", "dr_drill"} <= set(told)


def test_a_yes_or_no_that_is_given_with_e_is_one_in_a_condition() -> None:
    """``-e pitr_restart=true`` is a text, which Ansible refuses as a condition, and "false" would be a yes."""
    asked = []
    for role in sorted((CHECKOUT / "roles").iterdir()):
        defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text()) if (role / "defaults").is_dir() else {}
        names = [name for name, value in (defaults or {}).items() if isinstance(value, bool)]
        for path in [*role.glob("tasks/*.yml"), *role.glob("vars/**/*.yml")]:
            for line in path.read_text().splitlines():
                for name in names:
                    if re.search(rf"\b(?:when|and|or|not|if|that):? .*\b{name}\b|\(.*\b{name}\b.*\b(?:and|or)\b", line):
                        asked.append(name)
                        bare = re.search(rf"\b{name}\b(?! \| bool)(?!=)", line)
                        assert bare is None, f"{path}: {line.strip()} lacks `| bool`"
    assert {"pitr_restart", "pitr_install", "backup_install_restic"} <= set(asked)
