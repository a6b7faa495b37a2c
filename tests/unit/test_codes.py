"""Booking codes: read as people write them, refused when they are none."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from branchloop import codes
from branchloop.errors import InputError


def test_a_code_survives_paper_and_haste() -> None:
    """Case, blanks, hyphens and look-alikes do not matter; its QR code names branch and code."""
    code = codes.new_code()
    plain = codes.read_code(code)
    assert codes.read_code(f" {code.lower().replace('-', ' ')} ") == plain
    assert codes.read_code("o123-ilab") == "012311AB"
    assert codes.read_qr(codes.qr_text("plaza", code)) == codes.Scanned("plaza", plain)
    assert (
        codes.code_digest("salt", code) == codes.code_digest("salt", plain) != codes.code_digest("tlas", code)
    )
    assert codes.is_number("0427")
    assert not codes.is_number("427")


@pytest.mark.parametrize(
    "text", ["", "7K2M", "7K2M-Q4X!", "https://example.org/7K2MQ4XD", "branchloop:1:Bad Site:7K2MQ4XD"]
)
def test_what_is_no_code_is_refused(text: str) -> None:
    """With a sentence for the person who shows it."""
    with pytest.raises(InputError, match="this is not"):
        codes.read_qr(text)


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Any QR code may come before the camera."""
    try:
        found = codes.read_qr(text)
    except InputError:
        return
    assert len(found.code) == codes.LENGTH
