from __future__ import annotations

from hypothesis import given, settings, strategies as st

from hub.store.sequences import MAX_RUNS, Sequences


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 40), max_size=60))
def test_it_is_a_set_whose_gapless_beginning_is_the_cursor(seqs: list[int]) -> None:
    """Whatever order seqs come in, membership, cursor and runs are those of the plain set."""
    sequences, model = Sequences(), set[int]()
    for seq in seqs:
        assert (seq in sequences) == (seq in model)
        if seq not in model:
            before = sequences.upto
            sequences.add(seq)
            model.add(seq)
            assert sequences.upto >= before
    upto = next(n for n in range(100) if n + 1 not in model)
    assert sequences.upto == upto
    above = {n for first, last in sequences.runs for n in range(first, last + 1)}
    assert above == {n for n in model if n > upto}
    assert all(a[1] + 1 < b[0] for a, b in zip(sequences.runs, sequences.runs[1:], strict=False))


@settings(max_examples=200, deadline=None)
@given(st.sets(st.integers(1, 40)), st.integers(0, 45))
def test_a_jump_reports_exactly_what_is_missing(seqs: set[int], upto: int) -> None:
    """Jumping over what the box forgot names each missing seq once, and never one that is here."""
    sequences = Sequences()
    for seq in seqs:
        sequences.add(seq)
    missing = [n for first, last in sequences.jump(upto) for n in range(first, last + 1)]
    assert missing == [n for n in range(1, upto + 1) if n not in seqs]
    assert sequences.upto >= upto
    assert Sequences(sequences.upto, sequences.runs).runs == sequences.runs


def test_holes_are_bounded() -> None:
    """A box that leaves more holes than it can have in flight gets no further with new ones."""
    sequences = Sequences()
    for n in range(MAX_RUNS):
        sequences.add(2 * n + 2)
    assert not sequences.room_for(10 * MAX_RUNS)
    assert sequences.room_for(1)
    assert sequences.room_for(2 * MAX_RUNS + 1)
