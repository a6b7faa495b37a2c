"""The dashboard as a process of its own, over a hub."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from branchloop.processes import free_port


@contextmanager
def served(folder: Path, api: str, token: str | None = None) -> Iterator[str]:
    """Its address; everybody has the `token`, or signs in with one of their own."""
    port = free_port()
    text = f'[dashboard]\napi = "{api}"\nlisten = "127.0.0.1:{port}"\n'
    if token is not None:
        (folder / "token").write_text(token)
        (folder / "token").chmod(0o600)
        text += 'token_file = "token"\n'
    config = folder / "dashboard.toml"
    config.write_text(text)
    command = [sys.executable, "-m", "dashboard.main", "run", str(config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until_s = time.monotonic() + 60
            while not _answers(f"http://127.0.0.1:{port}/_stcore/health"):
                assert time.monotonic() < until_s
                assert process.poll() is None
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False
