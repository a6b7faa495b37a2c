"""Links and tags: by consent alone, for its purpose alone, and gone when it is."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from branchloop.agreement.link import link_text
from branchloop.errors import ConflictError, InputError
from branchloop.keys.box import new_private
from branchloop.keys.sealing import raw_public
from hub.config.partners import Partner
from hub.config.scenes import Purpose, parse_scenes
from hub.loop.consent import DAY_MS
from hub.loop.pairwise import pairwise
from hub.loop.receipt import verify
from hub.loop.tags import end_ms
from hub.store.book.entries import Book
from hub.store.connection import connect, prepare
from hub.store.customers import linking, tagging
from hub.store.customers.keyring import Keyring
from hub.store.journeys import of_journey
from hub.store.schema.core import DATABASE

NOW_MS = 1_800_000_000_000
PARTNER = Partner.model_validate(
    {"id": "agency", "name": {"en": "Agency", "zh": "中介"}, "origins": ["https://agency.example"]}
)
OTHER = PARTNER.model_copy(update={"id": "shop"})
VISIT = linking.Visit("hall", "j-0123456789abcdef", "account")


@dataclass
class World:
    """A real hub.db and keyring."""

    folder: Path
    db: sqlite3.Connection
    keyring: Keyring

    def __post_init__(self) -> None:
        self.key = new_private()

    def link(
        self,
        customer: str = "c-1",
        subject: str = "u-7",
        *purposes: Purpose,
        partner: Partner = PARTNER,
        now_ms: int = NOW_MS,
    ) -> tuple[linking.Link, str]:
        text = link_text("zh", partner.name, partner.link_days)
        agreed = linking.Agreed(text.version, "zh", text.sha256, frozenset(purposes))
        digest = self.digest(subject, partner)
        return linking.link(self.db, self.keyring, self.key, partner, digest, customer, agreed, VISIT, now_ms)

    def digest(self, subject: str = "u-7", partner: Partner = PARTNER) -> str:
        return linking.subject_digest(self.keyring.mac, partner.id, subject)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[World]:
    prepare(tmp_path)
    db = connect(tmp_path / DATABASE)
    yield World(tmp_path, db, Keyring(tmp_path, b"k" * 32))
    db.close()


def test_two_audiences_know_a_customer_by_names_that_do_not_meet(hub: World) -> None:
    """Stable for one, different for another, customer or key; no join of audience and customer is ambiguous."""
    mac = hub.keyring.mac
    assert pairwise(mac, "c-1", "agency") == pairwise(mac, "c-1", "agency")
    names = {pairwise(mac, c, a) for c in ("c-1", "c-2") for a in ("agency", "shop", "shop\nc-1")}
    (hub.folder / "other").mkdir()
    other_key = pairwise(Keyring(hub.folder / "other", b"l" * 32).mac, "c-1", "agency")
    assert len(names | {other_key}) == 7
    assert all(len(name) == 26 and name.startswith("p-") for name in names)


def test_a_link_is_by_consent_signed_and_in_the_ledger(hub: World) -> None:
    """The reference itself is nowhere; the receipt says what was agreed to and names nobody."""
    made, receipt = hub.link("c-1", "u-7-very-own", "suggest")
    again, same = hub.link("c-1", "u-7-very-own", "suggest")
    assert (again, same) == (made, receipt)
    assert linking.customer_of(hub.db, "agency", hub.digest("u-7-very-own"), NOW_MS) == "c-1"
    assert linking.customer_of(hub.db, "shop", hub.digest("u-7-very-own", OTHER), NOW_MS) is None
    told = verify(receipt, raw_public(hub.key.public_key()))
    assert told["purpose"] == "link/agency/suggest"
    assert told["consent"] == made.consent
    assert "c-1" not in receipt
    assert "u-7" not in "\n".join(hub.db.iterdump())
    (entry,) = of_journey(hub.db, VISIT.journey)
    assert (entry.happened.stage, entry.happened.partner, entry.happened.customer) == (
        "linked",
        "agency",
        "c-1",
    )
    assert entry.happened.detail["pairwise"] == pairwise(hub.keyring.mac, "c-1", "agency")


def test_another_text_language_or_purpose_is_refused(hub: World) -> None:
    """Nothing is linked by a text that was not the one shown."""
    text = link_text("zh", PARTNER.name, PARTNER.link_days)
    for agreed in (
        linking.Agreed(text.version, "zh", "0" * 64),
        linking.Agreed(text.version, "en", text.sha256),
        linking.Agreed("2020-01", "zh", text.sha256),
        linking.Agreed(text.version, "fr", text.sha256),
        linking.Agreed(text.version, "zh", text.sha256, frozenset({"sell"})),  # type: ignore[arg-type]
    ):
        with pytest.raises(InputError):
            linking.link(hub.db, hub.keyring, hub.key, PARTNER, hub.digest(), "c-1", agreed, VISIT, NOW_MS)
    with pytest.raises(InputError):
        hub.digest(" ")
    assert hub.db.execute("SELECT count(*) FROM partner_link").fetchone() == (0,)


def test_one_user_is_one_visitor_at_a_partner(hub: World) -> None:
    """Neither two users for one visitor nor two visitors for one user."""
    hub.link("c-1", "u-1")
    for customer, subject in (("c-2", "u-1"), ("c-1", "u-2")):
        with pytest.raises(ConflictError):
            hub.link(customer, subject)
    hub.link("c-1", "u-1", partner=OTHER)
    assert len(linking.of_customer(hub.db, "c-1", NOW_MS)) == 2


def test_unlinking_deletes_link_and_tags_and_tells_the_ledger(hub: World) -> None:
    """At any time, once; what another partner holds stays."""
    made, _ = hub.link("c-1", "u-1", "suggest", "share")
    kept, _ = hub.link("c-1", "u-1", "suggest", partner=OTHER)
    for each in (made, kept):
        tagging.put(hub.db, hub.keyring, each, "visa", None, "suggest", "partner", NOW_MS, NOW_MS + DAY_MS)
    receipt = linking.unlink(hub.db, hub.keyring, hub.key, made, NOW_MS + 1)
    assert receipt is not None
    assert verify(receipt, raw_public(hub.key.public_key()))["event"] == "withdrawn"
    assert linking.unlink(hub.db, hub.keyring, hub.key, made, NOW_MS + 2) is None
    assert linking.find(hub.db, "agency", made.subject, NOW_MS) is None
    assert [tag.partner for tag in tagging.of_customer(hub.db, hub.keyring, "c-1", NOW_MS)] == ["shop"]
    entry = of_journey(hub.db, VISIT.journey)[-1].happened
    assert (entry.stage, entry.customer, entry.partner) == ("unlinked", None, "agency")
    assert entry.detail == {"pairwise": pairwise(hub.keyring.mac, "c-1", "agency")}


def test_a_tag_takes_the_place_of_its_own_where_no_further_one_has_any(
    hub: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its partner cannot delete one, and would be refused for what others keep."""
    monkeypatch.setattr(tagging, "MOST_TAGS", 1)
    made, _ = hub.link("c-1", "u-1", "suggest")
    for value in ("schengen", "japan"):
        tagging.put(hub.db, hub.keyring, made, "visa", value, "suggest", "partner", NOW_MS, NOW_MS + DAY_MS)
    with pytest.raises(ConflictError):
        tagging.put(hub.db, hub.keyring, made, "loan", None, "suggest", "partner", NOW_MS, NOW_MS + DAY_MS)
    assert [tag.value for tag in tagging.of_customer(hub.db, hub.keyring, "c-1", NOW_MS)] == ["japan"]


def test_a_tag_is_kept_and_read_for_its_purpose_and_its_time_alone(hub: World) -> None:
    """Consent to one purpose opens no other; what has ended counts for nothing before it is deleted."""
    made, _ = hub.link("c-1", "u-1", "suggest")
    with pytest.raises(ConflictError):
        tagging.put(hub.db, hub.keyring, made, "visa", None, "share", "bank", NOW_MS, NOW_MS + DAY_MS)
    tagging.put(hub.db, hub.keyring, made, "visa", "schengen", "suggest", "partner", NOW_MS, NOW_MS + DAY_MS)
    tagging.put(hub.db, hub.keyring, made, "visa", "japan", "suggest", "partner", NOW_MS, NOW_MS + DAY_MS)
    assert [tag.value for tag in tagging.of_customer(hub.db, hub.keyring, "c-1", NOW_MS)] == ["japan"]
    assert "japan" not in "\n".join(hub.db.iterdump())
    assert tagging.names_for(hub.db, "c-1", "suggest", NOW_MS) == {"visa"}
    assert tagging.names_for(hub.db, "c-1", "share", NOW_MS) == frozenset()
    assert tagging.shared_with(hub.db, hub.keyring, made, NOW_MS) == []
    assert tagging.names_for(hub.db, "c-1", "suggest", NOW_MS + DAY_MS) == frozenset()
    assert linking.end_expired(hub.db, hub.keyring, hub.key, NOW_MS + DAY_MS) == ["c-1"]
    assert hub.db.execute("SELECT count(*) FROM tag").fetchone() == (0,)


def test_narrower_consent_takes_the_tags_of_the_wider_one(hub: World) -> None:
    """Another set of purposes is another consent, with a receipt for the end of the first."""
    made, _ = hub.link("c-1", "u-1", "suggest", "share")
    tagging.put(hub.db, hub.keyring, made, "visa", None, "share", "bank", NOW_MS, NOW_MS + DAY_MS)
    narrow, _ = hub.link("c-1", "u-1", "suggest")
    assert narrow.consent != made.consent
    assert tagging.of_customer(hub.db, hub.keyring, "c-1", NOW_MS) == []
    events = [row[0] for row in hub.db.execute("SELECT event FROM consent_receipt ORDER BY id")]
    assert events == ["given", "withdrawn", "given"]


def test_a_link_ends_by_itself(hub: World) -> None:
    """Over at its time to the millisecond, whether or not somebody has cleaned up."""
    made, _ = hub.link()
    assert linking.customer_of(hub.db, "agency", made.subject, made.expires_ms - 1) == "c-1"
    assert linking.customer_of(hub.db, "agency", made.subject, made.expires_ms) is None
    hub.link("c-2", now_ms=made.expires_ms)
    assert linking.customer_of(hub.db, "agency", made.subject, made.expires_ms) == "c-2"


def test_forgetting_a_customer_forgets_links_and_tags(hub: World) -> None:
    """Nothing in the file says any more who it was; the partner's own name alone is left, to tell it."""
    made, _ = hub.link("c-1234", "u-1", "suggest")
    tagging.put(hub.db, hub.keyring, made, "visa", "x", "suggest", "partner", NOW_MS, NOW_MS + DAY_MS)
    assert Book(hub.keyring).forget(hub.db, "c-1234", NOW_MS)
    left = "\n".join(hub.db.iterdump())
    assert "c-1234" not in left
    assert made.subject not in left
    assert of_journey(hub.db, VISIT.journey)[-1].happened.stage == "unlinked"
    rows = [json.loads(body)["purpose"] for (body,) in hub.db.execute("SELECT body FROM consent_receipt")]
    assert rows == ["link/agency/suggest"]


def test_the_vocabulary_of_tags_is_the_tables(hub: World) -> None:
    """An unknown tag, a purpose it is not for, and too many days are refused by name."""
    table = parse_scenes(
        '[[tag]]\nid = "visa"\nname = { en = "Visa", zh = "签证" }\npurposes = ["suggest"]\nmost_days = 30\n',
        "s",
    )
    assert end_ms(table, "visa", "suggest", None, NOW_MS) == NOW_MS + 30 * DAY_MS
    assert end_ms(table, "visa", "suggest", 2, NOW_MS) == NOW_MS + 2 * DAY_MS
    for name, purpose, days in (("rich", "suggest", 1), ("visa", "share", 1), ("visa", "suggest", 31)):
        with pytest.raises(InputError):
            end_ms(table, name, purpose, days, NOW_MS)  # type: ignore[arg-type]
