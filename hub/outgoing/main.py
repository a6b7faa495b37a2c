"""What leaves the hub: `python -m hub.outgoing.main CONFIG`."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import click
import httpx

from branchloop import exits
from branchloop.errors import BranchloopError, ConfigError
from hub.config.hub import HubConfig, read_config
from hub.outgoing.ledger import Ledger
from hub.outgoing.mail import SmtpSink
from hub.outgoing.post import client
from hub.outgoing.reminders import Reminding
from hub.outgoing.secrets import keys_of
from hub.outgoing.sinks import GatewaySink, LogSink, Sink
from hub.outgoing.threads import Unwaited
from hub.outgoing.webhooks import Delivery
from hub.store.book.entries import Book
from hub.store.branches.inforce import follow
from hub.store.customers.keyring import Keyring

AGAIN_S = 5.0


async def run(config: HubConfig, stop: asyncio.Event) -> None:
    """Deliver and remind until `stop`; what fails for one receiver holds up no other."""
    asyncio.get_running_loop().set_default_executor(Unwaited())  # where names are looked for
    keyring = Keyring.of(config)
    ledger = Ledger(config.data_dir)
    async with client() as to:
        tasks = [asyncio.create_task(ledger.run())]
        for webhook in config.webhooks.values():
            try:
                keys = keys_of(webhook, config.path.parent)
            except ConfigError as error:
                exits.log(f"webhook {webhook.id} is not told anything: {error}")
                continue
            delivery = Delivery(webhook, keys, config.data_dir, keyring.mac)
            tasks.append(asyncio.create_task(_kept_up(webhook.id, delivery, to, ledger)))
        try:
            sink = _sink(config, to)
        except ConfigError as error:
            exits.log(f"nobody is reminded: {error}")
        else:
            tasks.append(asyncio.create_task(Reminding(config, Book(keyring), sink).run()))
        stopping = asyncio.create_task(stop.wait())
        ended, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in [stopping, *tasks]:
            task.cancel()
        await asyncio.gather(stopping, *tasks, return_exceptions=True)
        for task in ended:
            task.result()  # a fault of ours ends the process, whose supervisor begins it anew: no task ends unseen


async def _kept_up(name: str, delivery: Delivery, to: httpx.AsyncClient, ledger: Ledger) -> None:
    while True:
        try:
            await delivery.run(to, ledger)
        except BranchloopError as error:
            exits.log(f"webhook {name} waits: {error}")
            await asyncio.sleep(AGAIN_S)


def _sink(config: HubConfig, to: httpx.AsyncClient) -> Sink:
    rules = config.reminders
    if rules.sink == "smtp" and rules.smtp is not None:
        return SmtpSink(rules.smtp, config.path.parent)
    if rules.sink == "webhook" and rules.webhook is not None:
        return GatewaySink(rules.webhook, keys_of(rules.webhook, config.path.parent), to)
    return LogSink()


async def _until_told(config: HubConfig) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run(config, stop)


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
def main(config: Path) -> None:
    """Tell webhooks and remind customers of the hub CONFIG."""
    asyncio.run(_until_told(follow(read_config(config))))


if __name__ == "__main__":
    exits.run(main)
