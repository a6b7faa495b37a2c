"""Whether links for customers lead to the bank's own address, and not to one that a caller names."""

from __future__ import annotations

from hub.config.hub import HubConfig, is_local, split_address


def address_missing(config: HubConfig) -> str | None:
    """What is to be said when the API is open to others and its public address is not written down; None otherwise.

    Without it a link takes its host from the request, where whoever asks may write any.
    """
    if config.people.public_url is not None or is_local(split_address(config.hub.listen)[0]):
        return None
    return (
        f"people.public_url is missing and the API is open at {config.hub.listen}: enrolment links would lead to "
        "whatever host a caller names; write where customers reach the hub, such as https://hub.example.bank"
    )
