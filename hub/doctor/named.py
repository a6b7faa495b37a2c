"""Whether what hub.toml only names is there: variables, the key over names, secrets, the mail server's certificate, the journal's folder."""

from __future__ import annotations

import os
import ssl

from branchloop.doctor_finding import Finding, bad, good, warn
from branchloop.errors import BranchloopError
from hub.config.events import Secret
from hub.config.hub import HubConfig
from hub.outgoing.secrets import keys_of
from hub.service_needs import needs_of
from hub.store.customers.keyring import check_key


def examine_named(config: HubConfig) -> list[Finding]:
    """One finding for each thing that is missing or cannot be used, one for all where none is."""
    unset = [name for name in needs_of(config).variables if name not in os.environ]
    findings = [
        *(warn(f"variable {name} {_unset(name, config)}") for name in unset),
        *_key(config, unset),
        *_secrets(config, unset),
        *_mail(config),
        *_journal(config),
    ]
    return findings or [good("variables, keys and secrets that hub.toml names can be used")]


def _unset(name: str, config: HubConfig) -> str:
    words = "is not set here; the service has its own environment, see that it is set there"
    if name == config.people.key_env:
        return f"{words}: without this one (people.key_env) the hub does not start"
    return words


def _key(config: HubConfig, unset: list[str]) -> list[Finding]:
    if config.people.key_env in unset:
        return []
    try:
        check_key(config)
    except BranchloopError as error:
        return [bad(f"key over names: {error}")]
    return []


def _secrets(config: HubConfig, unset: list[str]) -> list[Finding]:
    signing: dict[str, Secret] = {
        f"webhook {name} is not told anything": each for name, each in config.webhooks.items()
    }
    if config.reminders.sink == "webhook" and config.reminders.webhook is not None:
        signing["nobody is reminded"] = config.reminders.webhook
    findings = []
    for lost, secret in signing.items():
        if secret.secret_env in unset or secret.former_secret_env in unset:
            continue
        try:
            keys_of(secret, config.path.parent)
        except BranchloopError as error:
            findings.append(bad(f"{lost}: {error}"))
    return findings


def _mail(config: HubConfig) -> list[Finding]:
    smtp = config.reminders.smtp
    if config.reminders.sink != "smtp" or smtp is None or smtp.ca_file is None or not smtp.starttls:
        return []
    path = config.path.parent / smtp.ca_file
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:
        return [
            bad(
                f"nobody is reminded: reminders.smtp.ca_file {path} cannot be used: {error.strerror or error}"
            )
        ]
    return []


def _journal(config: HubConfig) -> list[Finding]:
    name = config.people.forgotten_file
    if name is None:
        return []
    folder = (config.path.parent / name).absolute().parent
    if os.path.isdir(folder):  # noqa: PTH112 - also says no where it may not look
        return []
    return [
        bad(f"the folder of people.forgotten_file, {folder}, is not there; mount it, or name another file")
    ]
