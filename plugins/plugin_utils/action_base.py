# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action base: what the controller does for every module of the collection before and after the trip to a host.

It validates the arguments, by the code of the core that would refuse them on the host, so that every mistake is named
without a trip; it has the carrier bring what is asked of the core to the host and run it there, whatever its system, or
the Python module itself travel where the host's variables say so; and it seals what comes back, whoever wrote it: the
core, an interpreter that could not run it, or a program that is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar, Optional

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ansible_collections.cryptobot.maintenance.plugins.module_utils.mistakes import Mistake
from ansible_collections.cryptobot.maintenance.plugins.module_utils.option_secrets import secrets_among
from ansible_collections.cryptobot.maintenance.plugins.module_utils.redact import redact
from ansible_collections.cryptobot.maintenance.plugins.module_utils.seam import seal, seal_text
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.areas import mistakes_in, preload
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.carrier.call import by_ansiballz, call_carrier
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.carrier.options import spec_of_host

MISTAKES = 8_000  # characters of what is wrong with arguments


@dataclass(frozen=True)
class Checked:
    """Arguments that fit: ``params`` has the defaults filled in, ``secrets`` are the values that must not be shown."""

    params: dict[str, Any]
    secrets: frozenset[str]


def validate(spec: Mapping[str, Any], arguments: Mapping[str, Any], where: str) -> Checked:
    """Given an argument_spec and the arguments of a task, return them checked.

    Raise AnsibleActionFail, naming the module, the option, its value and what is allowed, where they do not fit.
    """
    # the validator fills in defaults within a default, and so would change the specification for everybody after
    outcome = ArgumentSpecValidator(deepcopy(dict(spec))).validate(dict(arguments))
    # the validator offers no public name for them
    secrets = frozenset(secrets_among(outcome._no_log_values, outcome.validated_parameters))
    if outcome.error_messages:
        raise AnsibleActionFail(f"{where}: {seal_text('; '.join(outcome.error_messages), secrets, MISTAKES)}")
    return Checked(outcome.validated_parameters, secrets)


def sealed(answer: Mapping[str, Any], secrets: frozenset[str]) -> dict[str, Any]:
    """Given what came back from a host, return it sealed. What is no answer of a module is told in one sentence."""
    told = {name: value for name, value in answer.items() if name != "exception"}
    trace = getattr(getattr(answer.get("exception"), "event", None), "formatted_traceback", answer.get("exception"))
    if isinstance(trace, str) and trace:
        told["exception"] = redact(trace)
    if "module_stdout" in answer:
        told["msg"] = no_answer(answer)
    for name in ("msg", "module_stdout", "module_stderr"):
        if isinstance(told.get(name), str):
            told[name] = redact(told[name])
    return seal(told, secrets)


def no_answer(answer: Mapping[str, Any]) -> str:
    """Given what a host's Python left instead of an answer, return why: the last line of what it complained of.

    What it printed is not quoted: a program that is no Python prints what it was given, and that holds secrets.
    """
    complaint = str(answer.get("module_stderr") or "").strip().splitlines()
    printed = len(str(answer.get("module_stdout") or ""))
    last = complaint[-1].strip() if complaint else f"it printed {printed} characters and no complaint"
    return f"the Python of this host gave no answer (exit code {answer.get('rc', 'unknown')}): {last}"


class MaintenanceAction(ActionBase):
    """The base of all action plugins of this collection; a subclass names its area and that area's argument_spec."""

    _supports_check_mode = False  # each action opts in: the default of ActionBase is True
    _supports_async = True
    area: ClassVar[str] = ""
    groups: tuple[str, ...] = ()
    spec: ClassVar[Mapping[str, Any]]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        preload((cls.area,))

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        self.groups = tuple((task_vars or {}).get("group_names") or ())
        checked = self.check(self._task.args)
        if by_ansiballz(self, task_vars or {}):
            answer = self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val)
        else:
            answer = call_carrier(self, checked.params, checked.secrets, task_vars or {})
        return sealed(answer, checked.secrets)

    def check(self, arguments: Mapping[str, Any]) -> Checked:
        """Return the arguments checked. Raise AnsibleActionFail where they do not fit."""
        self.refuse(mistakes_in(self.area, arguments, self.platforms()))
        return validate(self.here(self.spec), arguments, self._task.action)

    def refuse(self, mistakes: Sequence[Mistake], prefix: str = "") -> None:
        """Raise AnsibleActionFail where there are mistakes in the arguments, a line for each."""
        if mistakes:
            lines = [f"{prefix}{mistake}" for mistake in mistakes]
            raise AnsibleActionFail(f"{self._task.action}: " + "\n".join(lines))

    def platforms(self) -> tuple[str, ...]:
        """Return what kinds of host this may be: its groups tell Linux from macOS, a shell does not."""
        if self.on_windows():
            return ("windows",)
        return ("darwin",) if "macos" in self.groups else ("linux", "darwin")

    def here(self, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        """Given an argument_spec, return it as it holds on this kind of host."""
        return spec_of_host(spec, windows=self.on_windows())

    def render(self, value: Any) -> Any:
        """Return a variable's value with its templates resolved."""
        return self._templar.template(value)

    def on_windows(self) -> bool:
        """Return whether the host is a Windows host, by whatever connection it is reached."""
        return bool(getattr(self._connection._shell, "_IS_WINDOWS", False))
