"""The kiosk's vault: what is deleted is in no file, what was promised is kept."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from branchloop.errors import ConfigError, DependencyError
from edge.checkin.vault import DATABASE, KEY_FILE, Vault, template_key
from edge.kiosk.day import GIVEN_MS, Given

NOW_MS = 1_800_000_000_000


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path, template_key(tmp_path, None))


def unit(seed: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    vector = np.random.default_rng(seed).standard_normal(128).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def test_a_template_is_read_again_and_lies_in_the_file_in_no_form(vault: Vault, tmp_path: Path) -> None:
    vector = unit(1)
    vault.keep("c-1", vector, NOW_MS + 1_000)
    (held,) = vault.templates(NOW_MS)
    assert float(held.vector @ vector) > 0.999
    content = (tmp_path / DATABASE).read_bytes()
    for form in (vector.tobytes(), vector.astype(np.float16).tobytes()):
        assert form not in content
        assert form[:32] not in content


def test_what_was_erased_cannot_be_read_from_the_file_even_with_the_key(vault: Vault, tmp_path: Path) -> None:
    vault.keep("c-1", unit(1), NOW_MS + 1_000)
    (row,) = vault._db.execute("SELECT wrapped, sealed FROM template").fetchall()
    assert row[0] in (tmp_path / DATABASE).read_bytes()
    assert vault.erase(["c-1", "c-2"]) == 1
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert row[0] not in content
    assert row[1] not in content
    assert vault.templates(NOW_MS) == []


def test_another_key_reads_nothing(vault: Vault, tmp_path: Path) -> None:
    vault.keep("c-1", unit(1), NOW_MS + 1_000)
    vault.keep_day("{}")
    vault.close()
    other = Vault(tmp_path, b"x" * 32)
    assert other.templates(NOW_MS) == []
    assert other.kept_day() is None


def test_templates_end_with_their_consent(vault: Vault) -> None:
    vault.keep("c-1", unit(1), NOW_MS)
    vault.keep_part("c-2", 0, unit(2), NOW_MS)
    assert vault.templates(NOW_MS) == []
    assert vault.expire(NOW_MS) == ["c-1", "c-2"]
    assert vault.consents() == []


def test_a_gallery_erases_what_no_consent_holds_for(vault: Vault) -> None:
    vault.keep("c-1", unit(1), NOW_MS * 2)
    vault.keep("c-2", unit(2), NOW_MS * 2)
    assert vault.reconcile({"c-1"}, NOW_MS, 1) == ["c-2"]
    assert vault.consents() == ["c-1"]


def test_a_consent_given_here_is_kept_until_the_hub_can_have_heard_of_it(vault: Vault) -> None:
    vault.keep("c-1", unit(1), NOW_MS * 2, seq=7)
    assert vault.reconcile(set(), NOW_MS, 7) == []
    assert vault.reconcile(set(), NOW_MS + 1, 8) == []
    assert vault.reconcile(set(), NOW_MS + 120_000, 8) == ["c-1"]


def test_a_consent_given_here_ends_although_the_hub_had_it_by_a_clock_that_was_ahead(vault: Vault) -> None:
    """Not by one gallery that was made before it and came late; by the next one."""
    vault.keep("c-1", unit(1), NOW_MS * 2, seq=7)
    assert vault.reconcile({"c-1"}, NOW_MS + 100 * 86_400_000, 8) == []
    assert vault.reconcile(set(), NOW_MS, 8) == []
    assert vault.reconcile(set(), NOW_MS + 61_000, 8) == ["c-1"]


def test_parts_make_a_template_once_all_are_there(vault: Vault) -> None:
    assert [vault.keep_part("c-1", at, unit(at), NOW_MS) for at in (0, 2, 2)] == [1, 2, 2]
    assert len(vault.parts("c-1")) == 2
    vault.keep("c-1", unit(9), NOW_MS * 2)
    assert vault.parts("c-1") == []


def test_an_appointment_gets_one_ticket_and_an_unsent_one_is_found_again(vault: Vault) -> None:
    vault.give("a-1", "2027-01-15", "A001", NOW_MS, "{}")
    with pytest.raises(DependencyError):
        vault.give("a-1", "2027-01-15", "A002", NOW_MS, "{}")
    assert vault.unsent() == [("a-1", "{}")]
    vault.sent("a-1")
    assert vault.unsent() == []
    vault.take_back("a-1")
    assert vault.given(NOW_MS) == [Given("a-1", "A001", NOW_MS)]
    assert (vault.last_number("2027-01-15", "A"), vault.last_number("2027-01-15", "B")) == (1, 0)


def test_tickets_are_known_for_a_day_and_then_forgotten_unless_the_hub_has_yet_to_hear_of_them(
    vault: Vault,
) -> None:
    """Midnight is not when a ticket ends."""
    for what, number in (("a-1", "A001"), ("a-2", "A002")):
        vault.give(what, "2027-01-15", number, NOW_MS, "{}")
    vault.sent("a-1")
    vault.expire(NOW_MS + GIVEN_MS - 1)
    assert [each.number for each in vault.given(NOW_MS + GIVEN_MS - 1)] == ["A001", "A002"]
    assert (vault.numbers("A", NOW_MS), vault.numbers("A", NOW_MS + 1), vault.numbers("B", 0)) == (
        {1, 2},
        set(),
        set(),
    )
    vault.expire(NOW_MS + GIVEN_MS)
    assert vault.given(NOW_MS + GIVEN_MS) == []
    assert [what for what, _ in vault.unsent()] == ["a-2"]
    assert vault.numbers("A", 0) == {2}


def test_answers_are_the_same_again_until_their_time(vault: Vault) -> None:
    vault.answered("x", "y", NOW_MS)
    assert vault.reply("x") == "y"
    vault.expire(NOW_MS)
    assert vault.reply("x") is None


def test_a_key_that_others_may_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template_key(tmp_path, None)
    (tmp_path / KEY_FILE).chmod(0o640)
    with pytest.raises(ConfigError, match="may be read by others"):
        template_key(tmp_path, None)
    with pytest.raises(ConfigError, match="has no NOT_THERE"):
        template_key(tmp_path, "NOT_THERE")
    monkeypatch.setenv("SHORT", "AAAA")
    with pytest.raises(ConfigError, match="no key of 32 bytes"):
        template_key(tmp_path, "SHORT")


def test_a_disk_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("")
    with pytest.raises(DependencyError, match="cannot be used"):
        Vault(place, os.urandom(32))
