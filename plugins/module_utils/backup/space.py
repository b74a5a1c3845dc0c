# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Will the next set fit? A pure prediction from what there is."""

from __future__ import annotations

from typing import NamedTuple, Optional

from ..units import human_bytes
from .declared import Settings
from .model import BackupSet, Catalog, Manifest
from .sources.model import Measured

COMPARABLE = ("files", "sqlite")
GROWTH = 1.2  # a set may be this much larger than the median of those before it


class Space(NamedTuple):
    """Whether the next set fits, in bytes. ``basis`` says what the prediction stands on."""

    free: int
    predicted: int
    required: int
    basis: str

    @property
    def enough(self) -> bool:
        """Whether a set may be begun."""
        return self.free >= self.required


def predict_space(
    settings: Settings, catalog: Catalog, measured: Measured, parent: Optional[BackupSet] = None
) -> Space:
    """Given what there is, return what the next set is expected to take and what must be free for it.

    Expected is the larger of the last set and 1.2 times the median, grown as the sources have grown since; or, without
    any set of that label, all that the sources hold. Full and incremental sets are predicted by their like. Required is
    ``space_factor`` times that, and room for the largest unpacked copy, which is there only while the set is made.
    """
    alike = [found.manifest for found in catalog.good if bool(found.manifest.chain) == (parent is not None)]
    before = [manifest for manifest in alike if manifest.label == settings.label]
    if parent is not None and not before:  # an incremental set is not larger than the full one of its chain
        before = [found.manifest for found in catalog.good if found.id == [*parent.manifest.chain, parent.id][0]]
    if not before:
        predicted, basis = measured.total, "what the sources hold, uncompressed"
    else:
        from statistics import median  # it brings fractions and decimals along

        sizes = [manifest.bytes for manifest in before]
        expected = max(sizes[-1], median(sizes) * GROWTH) * _growth(before[-1], measured)
        predicted, basis = int(expected), f"{len(sizes)} sets before it"
    return Space(catalog.free, predicted, int(predicted * settings.space_factor) + measured.copies, basis)


def _growth(last: Manifest, measured: Measured) -> float:
    """Return how many times as much the sources hold as in the last set, 1 where they have shrunk.

    A server's tables measure otherwise on its disk than in a dump, so they do not tell.
    """
    comparable = [entry for entry in last.sources if entry.type in COMPARABLE and entry.name in measured.sizes]
    raw = sum(entry.raw_bytes for entry in comparable)
    return max(1.0, sum(measured.sizes[entry.name] for entry in comparable) / raw) if raw else 1.0


def space_message(space: Space) -> str:
    """Return the numbers of a space prediction as a sentence."""
    return (
        f"{human_bytes(space.free)} free, {human_bytes(space.required)} required for a set of about "
        f"{human_bytes(space.predicted)} (by {space.basis})"
    )
