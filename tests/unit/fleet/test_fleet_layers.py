# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of the cache: whatever changes the content changes the key, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest
from fleet import base, layers, prune
from fleet.errors import FleetError

CHAIN = ("admin", "pg")

# what is changed, in which module, and to what
INGREDIENTS = {
    "the lower layer's packages": (layers, "LAYERS", {**layers.LAYERS, "admin": ("cron",)}),
    "the upper layer's packages": (layers, "LAYERS", {**layers.LAYERS, "pg": ("postgresql-15",)}),
    "the script that installs": (layers, "INSTALL", layers.INSTALL + "true\n"),
    "the packages of the base": (base, "PACKAGES", (*base.PACKAGES, "less")),
    "a file of the base": (base, "FILES", {**base.FILES, "etc/motd": "hello\n"}),
    "the masked units": (base, "MASKED", base.MASKED[1:]),
}


def test_a_key_stays_the_same_when_nothing_changes():
    assert layers.key("bookworm", CHAIN) == layers.key("bookworm", list(CHAIN))


@pytest.mark.parametrize(("module", "name", "value"), INGREDIENTS.values(), ids=INGREDIENTS)
def test_a_key_changes_with_every_ingredient(monkeypatch, module, name, value):
    before = layers.key("bookworm", CHAIN)
    monkeypatch.setattr(module, name, value)
    assert layers.key("bookworm", CHAIN) != before


def test_a_key_changes_with_the_release():
    assert layers.key("bookworm", CHAIN) != layers.key("trixie", CHAIN)


def test_a_key_changes_with_the_order_of_the_layers():
    assert layers.key("bookworm", ("redis", "admin")) != layers.key("bookworm", ("admin", "redis"))


def test_a_layer_on_another_one_is_not_the_layer_alone():
    assert layers.key("bookworm", ("pg",)) != layers.key("bookworm", CHAIN)


def test_an_upper_layer_does_not_change_the_key_of_the_one_below(monkeypatch):
    before = layers.key("bookworm", CHAIN[:1])
    monkeypatch.setattr(layers, "LAYERS", {**layers.LAYERS, "pg": ()})
    assert layers.key("bookworm", CHAIN[:1]) == before


def test_no_layer_is_the_base():
    assert layers.key("trixie", ()) == base.key("trixie")


def test_an_unknown_layer_is_named_with_those_that_are_known():
    with pytest.raises(FleetError, match=r"layer 'postgres' is not known; expected one of: admin, .*pg"):
        layers.ensure("bookworm", ["admin", "postgres"])


def test_debootstrap_gets_a_mirror_only_when_one_is_given():
    plain = base.debootstrap_argv("trixie", Path("/root"), Path("/debs"))
    mirrored = base.debootstrap_argv("trixie", Path("/root"), Path("/debs"), "file:///mirror")
    assert plain[-2:] == ["trixie", "/root"]
    assert mirrored == [*plain, "file:///mirror"]


def test_packages_are_words_of_their_own_and_the_proxy_is_passed_on(monkeypatch):
    monkeypatch.setenv("http_proxy", "proxy.invalid:3128")
    argv = layers.install_argv(Path("/r"), Path("/debs"), ("cron", "acl"))
    assert argv[-3:] == ["install", "cron", "acl"]
    assert "--setenv=http_proxy=proxy.invalid:3128" in argv


def test_only_what_the_tables_no_longer_lead_to_is_outdated():
    current = [
        f"base-bookworm-{base.key('bookworm')}",
        f"layer-trixie-{layers.rest_of_name('trixie', ['admin'])}",
        f"layer-trixie-{layers.rest_of_name('trixie', ['admin', 'pg'])}",
    ]
    outdated = [
        "base-bookworm-0000000000000000",
        f"base-buster-{base.key('bookworm')}",
        "layer-trixie-admin+pg-0000000000000000",
        "layer-trixie-gone-0000000000000000",
        f"layer-bookworm-{layers.rest_of_name('trixie', ['admin'])}",
    ]
    assert prune.outdated([*current, *outdated]) == outdated
