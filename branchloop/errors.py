"""One class per kind of failure, one exit code per class; every error says how to mend it."""

from __future__ import annotations

from typing import ClassVar


class BranchloopError(Exception):
    """Something a person can mend: `message` names what is wrong, `hint` says what to do."""

    exit_code: ClassVar[int] = 6
    http_status: ClassVar[int] = 500
    kind: ClassVar[str] = "internal"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class UsageError(BranchloopError):
    """The command line is wrong."""

    exit_code = 2
    http_status = 400
    kind = "usage"


class ConfigError(BranchloopError):
    """A configuration file is wrong: names file, key and remedy."""

    exit_code = 3
    http_status = 422
    kind = "configuration"


class InputError(BranchloopError):
    """Input data (clip, CSV, image, message, model) is wrong."""

    exit_code = 4
    http_status = 422
    kind = "input"


class DependencyError(BranchloopError):
    """Something else this needs (broker, hub, library, disk) is not reachable."""

    exit_code = 5
    http_status = 503
    kind = "dependency"


class AccessError(BranchloopError):
    """The caller is not known (401) or may not do this (403)."""

    exit_code = 2
    http_status = 403
    kind = "access"

    def __init__(self, message: str, *, hint: str = "", authenticated: bool = True) -> None:
        super().__init__(message, hint=hint)
        self.authenticated = authenticated


class LimitError(BranchloopError):
    """What is asked is right, but not yet: it may be asked again in `retry_s` seconds."""

    exit_code = 5
    http_status = 429
    kind = "too-many"

    def __init__(self, message: str, *, hint: str, retry_s: int) -> None:
        super().__init__(message, hint=hint)
        self.retry_s = retry_s


class ConflictError(BranchloopError):
    """What is asked is right, but somebody else was faster, or it was done already."""

    exit_code = 4
    http_status = 409
    kind = "conflict"
