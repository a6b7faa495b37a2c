"""Libraries of models that report to their makers are kept from it: nothing leaves a branch that the branch did not decide on.

ONNX Runtime (1.32 on) reports its sessions and keeps an identifier of the machine; MediaPipe (after 0.10.21) reports how
its tasks are used. The first has a switch. The second has none, but goes by the proxy that the environment names, so it
is given one that takes nothing: port 9 of this machine.
"""

from __future__ import annotations

import os

NOWHERE = "http://127.0.0.1:9"
LOOPBACK = "127.0.0.1,localhost,::1"


def keep_silent() -> None:
    """Call it before either library is loaded. What else this process asks by HTTPS beyond the machine goes nowhere too."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    os.environ["https_proxy"] = os.environ["HTTPS_PROXY"] = NOWHERE
    own = os.environ.get("no_proxy", "")
    if LOOPBACK not in own:
        os.environ["no_proxy"] = f"{own},{LOOPBACK}".lstrip(",")
