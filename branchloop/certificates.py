"""Certificates that are read anew for each connection: a bank's CA is changed while boxes and hub run."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any, Self

from branchloop.errors import ConfigError


class CurrentCertificates(ssl.SSLContext):
    """A client's TLS context whose connections are made by the files as they are then.

    For use by one thread at a time. Where the files cannot be read any more, what was read before stays in use.
    """

    def __new__(cls, *_: object) -> Self:
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, read: Callable[[], ssl.SSLContext], say: Callable[[str], object]) -> None:
        """`read` makes a context of the files, or raises ConfigError, which it does here too; `say` tells of it later on."""
        self._read = read
        self._say = say
        self._fault: str | None = None
        self._last = read()
        self.check_hostname = self._last.check_hostname
        self.verify_mode = self._last.verify_mode
        self.minimum_version = self._last.minimum_version

    def wrap_socket(self, *arguments: Any, **named: Any) -> ssl.SSLSocket:
        """As SSLContext's, by the files as they are now."""
        try:
            self._last, self._fault = self._read(), None
        except ConfigError as error:
            if str(error) != self._fault:
                self._fault = str(error)
                self._say(f"{error} What was read before stays in use.")
        return self._last.wrap_socket(*arguments, **named)
