# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is a secret of a service, in the log of the host and in an answer."""

from __future__ import annotations

import json
from copy import deepcopy

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ToolTimeout
from ansible_collections.cryptobot.maintenance.plugins.module_utils.option_secrets import secrets_among
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart import SPEC as RESTART
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.probe import ask

from .services.builders import make_service

ArgumentSpecValidator = pytest.importorskip(
    "ansible.module_utils.common.arg_spec", reason="the controller's: the core's own environments have no Ansible"
).ArgumentSpecValidator

ENVIRONMENT = {"WORKERS": "1", "PORT": 8000, "DB_PASSWORD": "hunter22", "API_TOKEN": "t0ps3cret", "HOME": "/opt/bot"}
SERVICE = {"name": "auth", "environment": ENVIRONMENT, "health": {"path": "/health?key=s3same&deep=%2Fx"}}
PLAIN = {"1", "8000", "/opt/bot", "/health"}
SECRET = {"hunter22", "t0ps3cret", "s3same", "/health?key=s3same&deep=%2Fx"}


@pytest.mark.case("SV21")
@pytest.mark.parametrize("spec", [SPEC, RESTART], ids=["service_check", "service_restart"])
def test_environment_and_probe_are_kept_out_of_the_log_of_the_host(spec):
    """What AnsibleModule writes as "Invoked with" lacks the values that the spec calls no_log."""
    outcome = ArgumentSpecValidator(deepcopy(spec)).validate({"services": [SERVICE]})
    assert outcome._no_log_values >= {str(value) for value in ENVIRONMENT.values()} | {SERVICE["health"]["path"]}


@pytest.mark.case("SV21")
def test_an_answer_hides_the_secrets_and_shows_the_rest():
    outcome = ArgumentSpecValidator(deepcopy(SPEC)).validate({"services": [SERVICE, {"name": "bare"}]})
    secrets = secrets_among(outcome._no_log_values, outcome.validated_parameters)
    assert secrets >= SECRET
    assert not secrets & PLAIN


def test_secrets_of_other_options_stay_secret():
    assert secrets_among({"elsewhere"}, {"services": [SERVICE]}) >= {"elsewhere"}
    assert secrets_among({"elsewhere"}, {}) == {"elsewhere"}
    assert secrets_among(set(), {"services": None}) == set()


URL = "http://127.0.0.1:8000/health?key=s3same"
REPLIES = [(500, ""), (200, "no json"), ToolTimeout(URL, 5.0)]


@pytest.mark.case("SV21")
@pytest.mark.parametrize("reply", REPLIES, ids=str)
def test_what_is_wrong_with_an_answer_is_told_without_the_query(reply):
    health = {"path": "/health?key=s3same", "json": {"status": "ok"}}
    (probe,) = [make_service(unit="auth", port=8000, health=health).probe]
    answer = ask(FakeHost(replies={URL: reply}), probe)
    assert answer.fault
    assert "s3same" not in json.dumps(answer.fault)
