# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The layers of `make test`, as data: which steps each has, and what the machine must offer for them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]

# Every Python that the core is tested under: its floor, the oldest and the newest that a controller may have.
# One of them runs this file, out of .venv, where the whole of tests/unit runs.
CORE_PYTHONS = ("3.9", "3.11", "3.13")
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class Step:
    """One command of a layer. A ``counted`` step is pytest's, counted test by test; any other counts as one."""

    name: str
    argv: tuple[str, ...]
    counted: bool = False


@dataclass(frozen=True)
class Layer:
    """Steps in order, and before them the commands that fetch or try what the layer needs of the machine.

    A need that ends with another code than 0 says why in its last line; the layer is then skipped.
    """

    name: str
    steps: tuple[Step, ...]
    needs: tuple[tuple[str, ...], ...] = ()


def debian(*lists: str) -> tuple[str, ...]:
    """Given files that list Debian packages, return the need for them."""
    return ("scripts/debian/install.sh", *lists)


def lists_of(folder: str) -> tuple[str, ...]:
    """Given a folder of the checkout, return its list of Debian packages, where it has one."""
    return tuple(str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / folder).glob("requirements-debian.txt"))


# The folders of tests/integration that LAYERS names; whatever else there is belongs to the layer `integration`.
BACKUP = "tests/integration/backup"
OWN_LAYER = (BACKUP.rpartition("/")[2], "demo", "faults", "firewall", "fleet", "mixed", "package", "report", "windows")

COLLECTIONS = ("python", "scripts/collections/fetch.py")
OWN_NETWORK = "scripts/layers/own_network.sh"
FLEETS = ("python", "tests/fleet", "check")


def pytest(folder: str, *options: str) -> Step:
    """Given a folder of tests, return the step that runs it in .venv."""
    return Step(folder, ("pytest", folder, *options), counted=True)


def alone_on_its_ports(folder: str) -> Step:
    """Given a folder of tests that start demos on free ports, return the step that runs it in a network namespace of
    its own, where that can be: no other layer takes its ports, or adds listeners to what its firewall audit sees.
    """
    return Step(folder, (OWN_NETWORK, "pytest", folder), counted=True)


def core_under(version: str) -> Step:
    """Given a Python version, return the step that runs the core's unit tests under it."""
    return Step(f"core on Python {version}", ("scripts/layers/core_unit.sh", version), counted=True)


def other_integration(checkout: Path = CHECKOUT) -> tuple[Step, ...]:
    """Given a checkout, return a step for each folder of integration tests that has no layer of its own."""
    folders = sorted({path.parent for path in (checkout / "tests/integration").glob("*/test_*.py")})
    return tuple(pytest(f"tests/integration/{path.name}") for path in folders if path.name not in OWN_LAYER)


def molecule_scenarios(checkout: Path = CHECKOUT) -> tuple[Step, ...]:
    """Given a checkout, return one step for each Molecule scenario that it holds."""
    found = sorted(checkout.glob("extensions/molecule/*/molecule.yml"))
    return tuple(
        Step(f"molecule {path.parent.name}", ("molecule", "test", "--scenario-name", path.parent.name))
        for path in found
    )


LINT = (
    Step("ruff", ("ruff", "check", ".")),
    Step("format", ("ruff", "format", "--check", ".")),
    Step("mypy", ("mypy",)),
    Step("house rules", ("python", "scripts/lint/house_rules.py")),
    Step("words", ("python", "scripts/lint/words.py")),
    Step("figures", ("python", "scripts/lint/figures.py", "--check")),
    Step("shellcheck", ("scripts/lint/shell.sh",)),
    Step("PowerShell 5.1", ("scripts/lint/powershell.sh",)),
    Step("yamllint", ("yamllint", "--strict", ".")),
    Step("ansible-lint", ("ansible-lint", "--offline", "--nocolor")),
    Step("changelog", ("antsibull-changelog", "lint")),
    Step("generated docs", ("python", "scripts/docs/generate.py", "--check")),
)

LAYERS = {
    layer.name: layer
    for layer in (
        Layer("lint", LINT, needs=(COLLECTIONS,)),
        Layer("unit", (pytest("tests/unit"), *(core_under(version) for version in CORE_PYTHONS if version != HERE))),
        # A fixed sample: `make mutate` tries all of them.
        Layer("mutants", (Step("mutants", ("python", "scripts/mutate/run.py", "--sample")),)),
        Layer("package", (pytest("tests/integration/package"),)),
        Layer("sanity", (Step("ansible-test sanity", ("scripts/sanity/run.sh",)),)),
        Layer("demo", (alone_on_its_ports("tests/integration/demo"),)),
        Layer("report", (pytest("tests/integration/report"),), needs=(debian("requirements/debian.txt"),)),
        Layer("integration", other_integration(), needs=(debian("requirements/debian.txt"),)),
        Layer(
            "firewall",
            (pytest("tests/fuzz/firewall"), pytest("tests/integration/firewall")),
            needs=(debian("requirements/debian.txt"),),
        ),
        # The second step wants a fleet too, and is skipped with its reason where there can be none.
        Layer(
            "windows", tuple(pytest(f"tests/integration/{name}") for name in ("windows", "mixed")), needs=(COLLECTIONS,)
        ),
        Layer("backup", (alone_on_its_ports(BACKUP),), needs=(debian("requirements/debian.txt"),)),
        Layer("faults", (alone_on_its_ports("tests/integration/faults"),), needs=(debian("requirements/debian.txt"),)),
        Layer(
            "fleet",
            (pytest("tests/integration/fleet"), *molecule_scenarios()),
            needs=(debian("requirements/debian.txt", "tests/fleet/requirements-debian.txt"), FLEETS, COLLECTIONS),
        ),
        Layer(
            "bench",
            (Step("benchmarks", ("python", "scripts/bench/run.py")),),
            needs=(debian("requirements/debian.txt", *lists_of("tests/benchmark")), COLLECTIONS),
        ),
    )
}

# The order in which `make test` starts them, a few at a time: the fleet mostly waits for its hosts, so it goes first,
# beside whatever computes. Benchmarks are no test, and want the machine for themselves.
ORDER = (
    *("fleet", "unit", "windows", "demo", "backup", "firewall", "integration"),
    *("sanity", "faults", "lint", "mutants", "report", "package"),
)
AT_A_TIME = 3
# Those that start demos of their own look for free ports, and may find the same ones: one of them at a time, where
# they cannot have networks of their own.
ON_FREE_PORTS = ("unit", "demo", "backup", "faults")
