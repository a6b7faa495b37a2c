"""Batches in flight: rules one by one, and a model of box, lossy channel and hub."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge.send.inflight import FIRST_TIMEOUT_S, LONGEST_TIMEOUT_S, MAX_BATCHES, InFlight, Verdict

EPOCH = "ab" * 16


def flight(acked: int = 0, highest: int = 0) -> InFlight:
    return InFlight(EPOCH, acked, highest, random.Random(1))


def publish(flight: InFlight, upto: int, now_s: float = 0.0) -> None:
    """One batch a seq, up to `upto`."""
    while flight.sent < upto:
        flight.published(flight.sent + 1, now_s)


def test_at_most_20_batches_are_in_flight() -> None:
    """The 21st batch waits for an acknowledgement."""
    f = flight()
    publish(f, MAX_BATCHES)
    assert not f.may_send
    with pytest.raises(ValueError, match="may not follow"):
        f.published(21, 0.0)
    assert f.acknowledged(EPOCH, 1, 1.0) is Verdict.NEWS
    assert f.may_send
    assert f.in_flight == MAX_BATCHES - 1


def test_acknowledgements_are_cumulative_and_never_go_back() -> None:
    """The maximum counts; one inside a batch acknowledges its part."""
    f = flight()
    f.published(10, 0.0)
    f.published(20, 0.0)
    assert f.acknowledged(EPOCH, 15, 1.0) is Verdict.NEWS
    assert (f.acked, f.in_flight) == (15, 1)
    assert f.acknowledged(EPOCH, 10, 1.0) is Verdict.OLD
    assert f.acknowledged(EPOCH, 15, 1.0) is Verdict.OLD
    assert f.acknowledged(EPOCH, 20, 1.0) is Verdict.NEWS
    assert (f.acked, f.in_flight, f.deadline_s) == (20, 0, None)


def test_other_epochs_and_what_was_never_sent_are_not_believed() -> None:
    """Neither moves anything."""
    f = flight()
    publish(f, 3)
    assert f.acknowledged("cd" * 16, 2, 1.0) is Verdict.OTHER_EPOCH
    assert f.acknowledged(EPOCH, 4, 1.0) is Verdict.BEYOND
    assert f.acked == 0


def test_acknowledgements_of_a_former_process_are_believed() -> None:
    """What the process before this one sent may be acknowledged after the restart."""
    f = flight(acked=4, highest=9)
    assert f.acknowledged(EPOCH, 9, 1.0) is Verdict.NEWS
    assert f.sent == 9
    assert f.acknowledged(EPOCH, 10, 1.0) is Verdict.BEYOND


def test_a_timeout_resends_one_batch_ever_more_rarely() -> None:
    """Waits double up to two minutes, jittered; each acknowledgement doubles the batches again."""
    f = flight()
    now_s, waits = 0.0, []
    publish(f, 5, now_s)
    for _ in range(8):
        due_s = f.deadline_s
        assert due_s is not None
        assert not f.tick(due_s - 0.001)
        assert f.tick(due_s)
        assert f.sent == f.acked == 0
        waits.append(due_s - now_s)
        now_s = due_s
        publish(f, 1, now_s)
        assert not f.may_send
    for wait_s, middle_s in zip(waits, [10, 20, 40, 80, 120, 120, 120, 120], strict=True):
        assert 0.75 * middle_s <= wait_s <= 1.25 * middle_s
    assert len(set(waits)) == len(waits)
    assert (FIRST_TIMEOUT_S, LONGEST_TIMEOUT_S) == (10, 120)
    seq, sizes = 1, []
    for _ in range(6):
        f.acknowledged(EPOCH, seq, now_s)
        while f.may_send:
            f.published(f.sent + 1, now_s)
        sizes.append(f.in_flight)
        seq = f.sent
    assert sizes == [2, 4, 8, 16, 20, 20]


def test_progress_puts_the_timeout_off() -> None:
    """Only silence is overdue."""
    f = flight()
    publish(f, 10, 0.0)
    for n in range(1, 10):
        f.acknowledged(EPOCH, n, n * 7.0)
        assert not f.tick(n * 7.0 + 7.0)


def test_a_reconnect_resends_everything_unacknowledged() -> None:
    """And counts it, if there was something."""
    f = flight()
    f.reconnected()
    assert f.resends == 0
    publish(f, 5)
    f.acknowledged(EPOCH, 2, 0.0)
    f.reconnected()
    assert (f.sent, f.in_flight, f.resends, f.deadline_s) == (2, 0, 1, None)


def test_a_birth_of_the_hub_resends_unless_it_was_there_before() -> None:
    """A retained birth is no news; a new boot is; the same boot again is not."""
    f = flight()
    publish(f, 5)
    assert not f.hub_born("a1" * 8, retained=True)
    assert not f.hub_born("a1" * 8, retained=False)
    assert f.sent == 5
    assert f.hub_born("b2" * 8, retained=False)
    assert f.sent == 0


def test_a_birth_ends_the_waiting() -> None:
    """After time-outs the hub's return opens the window at once."""
    f = flight()
    publish(f, 5, 0.0)
    f.tick(100.0)
    publish(f, 1, 100.0)
    assert not f.may_send
    assert f.hub_born("b2" * 8, retained=False)
    publish(f, MAX_BATCHES, 100.0)


@dataclass
class Hub:
    """A hub as DESIGN §3 wants it; `content` maps seq to what was stored, `gaps` is what it knows to lack."""

    upto: int = 0
    content: dict[int, str] = field(default_factory=dict)
    stored: list[int] = field(default_factory=list)
    gaps: set[int] = field(default_factory=set)
    clones: int = 0

    def copy(self) -> Hub:
        return Hub(self.upto, dict(self.content), list(self.stored), set(self.gaps))

    def apply(self, oldest: int, items: dict[int, str]) -> int:
        for seq in range(self.upto + 1, oldest):
            if seq not in self.content:
                self.gaps.add(seq)
        self.upto = max(self.upto, oldest - 1)
        for seq, body in items.items():
            if seq in self.content or seq <= self.upto:
                self.clones += self.content.get(seq, body) != body
                continue
            self.content[seq] = body
            self.stored.append(seq)
        while self.upto + 1 in self.content:
            self.upto += 1
        return self.upto


class BoxAndHub(RuleBasedStateMachine):
    """A box that restarts, two channels that lose, double and reorder, a hub that is set back to a copy."""

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now_s = 0.0
        self.produced = 0
        self.outbox: dict[int, str] = {}
        self.highest = 0
        self.hub = Hub()
        self.backup = self.hub.copy()
        self.set_back = False
        self.to_hub: list[tuple[int, dict[int, str]]] = []
        self.to_box: list[int] = []
        self.flight = self._new_flight()
        self.most_in_flight = 0

    def _new_flight(self) -> InFlight:
        acked = min(self.outbox, default=self.produced + 1) - 1
        return InFlight(EPOCH, acked, self.highest, self.random)

    @rule(count=st.integers(1, 60))
    def produce(self, count: int) -> None:
        for _ in range(count):
            self.produced += 1
            self.outbox[self.produced] = f"message {self.produced}"

    @rule(size=st.integers(1, 30))
    def send(self, size: int) -> None:
        while self.flight.may_send:
            seqs = sorted(seq for seq in self.outbox if seq > self.flight.sent)[:size]
            if not seqs:
                break
            self.highest = max(self.highest, seqs[-1])
            self.to_hub.append((self.flight.acked + 1, {seq: self.outbox[seq] for seq in seqs}))
            self.flight.published(seqs[-1], self.now_s)

    @rule(many=st.integers(1, 10), loss=st.sampled_from([0.0, 0.3, 1.0]), twice=st.booleans())
    def carry(self, many: int, loss: float, twice: bool) -> None:
        """Deliver some of what is on its way, in any order, and answer each."""
        for _ in range(min(many, len(self.to_hub))):
            at = self.random.randrange(len(self.to_hub))
            batch = self.to_hub[at] if twice else self.to_hub.pop(at)
            if self.random.random() >= loss:
                self.to_box.append(self.hub.apply(*batch))

    @rule(many=st.integers(1, 10), loss=st.sampled_from([0.0, 0.3, 1.0]), twice=st.booleans())
    def answer(self, many: int, loss: float, twice: bool) -> None:
        for _ in range(min(many, len(self.to_box))):
            at = self.random.randrange(len(self.to_box))
            upto = self.to_box[at] if twice else self.to_box.pop(at)
            if self.random.random() >= loss:
                self._hear(upto)

    def _hear(self, upto: int) -> None:
        verdict = self.flight.acknowledged(EPOCH, upto, self.now_s)
        assert verdict is not Verdict.BEYOND
        if verdict is Verdict.NEWS:
            for seq in [seq for seq in self.outbox if seq <= upto]:
                del self.outbox[seq]

    @rule(seconds=st.sampled_from([0.1, 5.0, 60.0, 500.0]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.flight.tick(self.now_s)

    @rule()
    def reconnect(self) -> None:
        self.to_box.clear()
        self.flight.reconnected()

    @rule(boot=st.sampled_from(["a1a1a1a1", "b2b2b2b2"]), retained=st.booleans())
    def hub_is_born(self, boot: str, retained: bool) -> None:
        self.flight.hub_born(boot, retained=retained)

    @rule()
    def restart_box(self) -> None:
        """The process is killed; the file remembers what it holds and the highest seq sent."""
        self.flight = self._new_flight()

    @rule()
    def back_up_hub(self) -> None:
        self.backup = self.hub.copy()

    @precondition(lambda self: self.produced)
    @rule()
    def restore_hub(self) -> None:
        """The hub's disk is replaced by an older copy; what is on its way still arrives."""
        self.hub = self.backup.copy()
        self.set_back = True

    @invariant()
    def nothing_twice_and_nothing_invented(self) -> None:
        if not hasattr(self, "hub"):
            return
        assert len(set(self.hub.stored)) == len(self.hub.stored)
        assert self.hub.clones == 0
        assert self.flight.in_flight <= MAX_BATCHES
        if not self.set_back:  # what the box has deleted is stored
            for seq in range(1, self.produced + 1):
                assert seq in self.outbox or seq in self.hub.content

    def teardown(self) -> None:
        """On a channel that works, everything produced is stored once, or known to be missing."""
        if not hasattr(self, "hub"):
            return
        self.produce(1)
        self.reconnect()
        for _ in range(400):
            self.send(25)
            while self.to_hub:
                self.to_box.append(self.hub.apply(*self.to_hub.pop(0)))
            while self.to_box:
                self._hear(self.to_box.pop(0))
            if not self.outbox:
                break
            self.now_s += 200.0
            self.flight.tick(self.now_s)
        assert not self.outbox
        everything = set(range(1, self.produced + 1))
        assert set(self.hub.stored) | self.hub.gaps == everything
        assert not set(self.hub.stored) & self.hub.gaps
        assert self.hub.upto == self.produced
        if not self.set_back:
            assert not self.hub.gaps


TestBoxAndHub = BoxAndHub.TestCase
TestBoxAndHub.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@given(
    st.lists(
        st.tuples(st.sampled_from(["ack", "tick", "send", "back", "born"]), st.integers(0, 40)), max_size=80
    )
)
@settings(deadline=None)
def test_any_sequence_of_events_keeps_the_bounds(events: list[tuple[str, int]]) -> None:
    """Always acked ≤ sent ≤ highest, at most 20 in flight, and a deadline exactly while something is out."""
    f = flight()
    now_s = 0.0
    acts: dict[str, Callable[[int], object]] = {
        "ack": lambda n: f.acknowledged(EPOCH, n, now_s),
        "tick": lambda n: f.tick(now_s + n * 10),
        "send": lambda n: f.may_send and f.published(f.sent + 1 + n, now_s),
        "back": lambda _: f.reconnected(),
        "born": lambda n: f.hub_born(f"{n:08x}", retained=bool(n % 2)),
    }
    for what, n in events:
        now_s += 1.0
        before = f.acked
        acts[what](n)
        assert before <= f.acked <= f.sent <= f.highest
        assert f.in_flight <= MAX_BATCHES
        assert (f.deadline_s is not None) == (f.in_flight > 0)
