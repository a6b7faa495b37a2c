"""Which configuration a box runs: its own file, or the newer one that the hub desired and the box took.

A desired configuration is kept whole in the data directory. Wiring and time zone are those that the box's own file says
by now. Whoever raises the version in the own file above it has the last word.
"""

from __future__ import annotations

import errno
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from branchloop.config import read_text
from branchloop.errors import ConfigError, DependencyError
from branchloop.site.box import Box
from branchloop.site.content import content_hash
from branchloop.site.site import Site, config_hash, parse_site
from branchloop.wire.desired import Desired, RefusedError, judge_taken
from branchloop.wire.status import Refusal
from edge.durable import replace_whole

KEPT = "desired.json"
_NOT_OURS = "Let the box's user write there: run install-service again, or chown it."
_REMEDIES = {
    errno.ENOSPC: "Make room on the disk.",
    errno.EDQUOT: "Make room on the disk.",
    errno.EACCES: _NOT_OURS,
    errno.EPERM: _NOT_OURS,
    errno.EROFS: "Mount the disk so that it can be written.",
}
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PassedOver:
    """What the box took once and cannot run by its own file as it is now, and why."""

    desired: Desired
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Configured:
    """A site and its box as they run; `hash` and `content` are of the own file, or of the desired text in force.

    That text's hash stays the hub's where the own file wires its cameras in another way: by it both know that text.
    """

    site: Site
    box: Box
    hash: str
    content: str
    own_text: str
    passed_over: PassedOver | None = None


@dataclass(frozen=True, slots=True)
class InForce:
    """The site that counts, its hash, and whether its text is the hub's."""

    site: Site
    hash: str
    from_hub: bool
    passed_over: PassedOver | None = None

    def figures(self) -> dict[str, Any]:
        """Which version that is, and whose, for a command's report."""
        return {"config_version": self.site.version, "config_from": "hub" if self.from_hub else "file"}


def read_site(config: Path) -> Site:
    """A site file as it is, box or none. Raises ConfigError naming file, key and remedy."""
    return parse_site(read_text(config), str(config))


def read_in_force(config: Path) -> InForce:
    """What counts for a site file, as `in_force`."""
    return in_force(config, read_text(config))


def in_force(config: Path, text: str) -> InForce:
    """What counts where the site file says `text`: as `read_configured`, or the text itself where it is no box's.

    Raises ConfigError as `read_site`, DependencyError where what the box took from the hub cannot be read.
    """
    own = parse_site(text, str(config))
    if own.box is None:
        return InForce(own, config_hash(text), from_hub=False)
    data_dir = config.parent / own.box.data_dir
    try:
        desired = _kept(data_dir)
    except OSError as error:
        raise DependencyError(
            f"{data_dir / KEPT} cannot be read: {error.strerror}; it says whether the box runs a version from the hub.",
            hint="Ask as the box's user, or as root.",
        ) from error
    except ValidationError as error:
        raise DependencyError(
            f"{data_dir / KEPT} is damaged: it says whether the box runs a version from the hub.",
            hint=f"Start the box anew: {config.name} counts until its hub has sent the version again.",
        ) from error
    running = _configured(own, own.box, text, desired)
    return InForce(running.site, running.hash, running.site is not own, running.passed_over)


def read_own(config: Path) -> tuple[Site, Box, str]:
    """A box's own file: site, box and text. Raises ConfigError when it is wrong or has no [box]."""
    text = read_text(config)
    own = parse_site(text, str(config))
    if own.box is None:
        raise ConfigError(
            f"{config}: key `box` is missing: add it.", hint="configs/branch-template.toml shows it."
        )
    return own, own.box, text


def read_configured(config: Path) -> Configured:
    """What the box of a site file runs; where what it took from the hub cannot be used, its own file. Raises ConfigError as `read_own`."""
    own, box, text = read_own(config)
    data_dir = config.parent / box.data_dir
    try:
        desired = _kept(data_dir)
    except (OSError, ValidationError) as error:
        desired = None
        _LOG.warning("%s cannot be used, the box's own file stands: %s", data_dir / KEPT, error)
    return _configured(own, box, text, desired)


def read_box(config: Path) -> tuple[Site, Box]:
    """The site and its box, as `read_configured`."""
    configured = read_configured(config)
    return configured.site, configured.box


def keep(data_dir: Path, desired: Desired) -> None:
    """Put it in the place of the one before, as `put_whole`."""
    put_whole(data_dir / KEPT, desired.to_json())


def put_whole(path: Path, text: str) -> None:
    """Write a small file whole or not at all, also through a power cut.

    Raises DependencyError when the disk does not take it: the one before then stands.
    """
    try:
        replace_whole(path, text.encode())
    except OSError as error:
        raise DependencyError(
            f"the configuration cannot be kept in {path.parent}: {error.strerror}.",
            hint=_REMEDIES.get(error.errno or 0, "Check box.data_dir and its disk."),
        ) from error


def _configured(own: Site, box: Box, text: str, desired: Desired | None) -> Configured:
    passed_over = None
    if desired is not None and desired.version > own.version:
        try:
            return Configured(judge_taken(desired, text), box, desired.hash, content_hash(desired.text), text)
        except (RefusedError, ArithmeticError, ValueError) as error:
            code = error.code if isinstance(error, RefusedError) else "faulty"
            refusal = Refusal(version=desired.version, code=code, reason=str(error)[:500])
            passed_over = PassedOver(desired, refusal)
            _LOG.warning(
                "configuration %d is no longer taken, version %d of the box's own file counts: %s",
                desired.version, own.version, error,
            )  # fmt: skip
    return Configured(own, box, config_hash(text), content_hash(text), text, passed_over)


def _kept(data_dir: Path) -> Desired | None:
    """What the box took, if anything. Raises OSError, and ValidationError where the file is damaged."""
    try:
        return Desired.model_validate_json((data_dir / KEPT).read_bytes())
    except FileNotFoundError:
        return None
