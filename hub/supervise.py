"""`hub run`: broker, ingest and API as children of one small process."""

from __future__ import annotations

import json
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from branchloop.credentials import HUB_API, client_id
from branchloop.processes import Child, Supervisor, lock_directory
from hub.broker.files import write_nats
from hub.broker.nats import executable
from hub.broker.passwords import ensure_password
from hub.config import HubConfig
from hub.runtime import Runtime, decide
from hub.store.connection import prepare

READY_S = 60.0


def run_hub(config: HubConfig, stop: threading.Event, ready_file: Path | None) -> None:
    """Supervise the hub of a configuration until `stop` is set."""
    with lock_directory(config.data_dir):
        runtime = decide(config)
        prepare(config.data_dir)
        logs = config.data_dir / "logs"
        logs.mkdir(exist_ok=True)
        python = [sys.executable, "-m"]
        children = [
            Child("ingest", [*python, "hub.ingest.mqtt", str(config.path)], log=logs / "ingest.log"),
            Child("api", [*python, "hub.api.main", str(config.path)], log=logs / "api.log"),
        ]
        if config.hub.broker == "embedded":
            broker_dir = config.data_dir / "broker"
            conf = write_nats(config, broker_dir, f"{runtime.broker_host}:{runtime.broker_port}")
            children.insert(0, Child("broker", [str(executable()), "-c", str(conf)], log=logs / "broker.log"))
        changed = threading.Event()
        supervisor = Supervisor(children, changed.set)
        thread = threading.Thread(
            target=_announce, args=(config, runtime, supervisor, stop, changed, ready_file), daemon=True
        )
        thread.start()
        supervisor.run(stop)


def _announce(
    config: HubConfig,
    runtime: Runtime,
    supervisor: Supervisor,
    stop: threading.Event,
    changed: threading.Event,
    ready_file: Path | None,
) -> None:
    """Say where the hub can be reached once it answers; keep the ready file true."""
    told = False
    while not stop.is_set():
        changed.clear()
        if _answers(config, runtime):
            if not told:
                sys.stdout.write(f"hub ready: API {runtime.api}, broker {runtime.broker}\n")
                sys.stdout.flush()
                told = True
            if ready_file is not None:
                _write(ready_file, runtime, supervisor)
            while not changed.wait(0.5) and not stop.is_set():
                pass
        else:
            stop.wait(0.2)


def _answers(config: HubConfig, runtime: Runtime) -> bool:
    try:
        with urllib.request.urlopen(f"{runtime.api}/health", timeout=2) as answer:  # noqa: S310 - our own address
            health = json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return False
    return bool(health["ingest"]["connected"]) and _broker_accepts(config, runtime)


def _broker_accepts(config: HubConfig, runtime: Runtime) -> bool:
    password = ensure_password(config.credentials_dir, HUB_API)
    accepted = threading.Event()
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"{client_id(HUB_API, password)}-probe",
        protocol=mqtt.MQTTv311,
        reconnect_on_failure=False,
    )
    client.username_pw_set(HUB_API, password)
    if runtime.broker_tls and config.hub.tls is not None:
        client.tls_set(ca_certs=str(config.path.parent / config.hub.tls.ca_file))
    client.on_connect = lambda *told: None if told[3].is_failure else accepted.set()
    try:
        client.connect(runtime.broker_host, runtime.broker_port, keepalive=5)
    except (OSError, ValueError):
        return False
    client.loop_start()
    answered = accepted.wait(2.0)
    client.disconnect()
    client.loop_stop()
    return answered


def _write(path: Path, runtime: Runtime, supervisor: Supervisor) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(
        json.dumps(
            {
                "api": runtime.api,
                "broker": runtime.broker,
                "pids": {child.name: child.pid for child in supervisor.children},
                "at": time.time(),
            }
        )
    )
    fresh.replace(path)
