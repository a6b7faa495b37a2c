"""Who was who, asked once more when the frames after it are known.

Frame by frame, people who meet are told apart by where each was expected next; that is little when they walk slowly
or are seen seldom. Before frames become final their fixes are dealt out anew: two trails exchange what follows a
moment, or a few fixes, where both then are the better walks, all of it considered: how straight they are, how often
somebody in view went unseen, what was worn, and that people rarely come or go in the middle of the floor.

Best-first local search over the associations of a window; the same posterior and moves as Oh, Russell and Sastry,
*Markov Chain Monte Carlo Data Association*, 2009, which draws its moves.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.floor.tracking.attendance import Attendance
from edge.floor.tracking.dealing import Dealer
from edge.floor.tracking.habits import Habits
from edge.floor.tracking.neighbours import nearest
from edge.floor.tracking.straightness import Straightness, Walk
from edge.floor.tracking.switching import Switching
from edge.floor.tracking.trail import LONGEST_GAP_MS, Fixes, Trail, reach_m

Array = NDArray[np.float64]

GAIN = 2.0
CLEAR_GAIN = 8.0
LEAST_GAIN = 0.2
"""How much better (natural logarithm) an exchange must be; the clearer one where clothes told people apart already, the
least where frames are far apart and no clothes tell."""
NEAR_M = 1.2
CLOSELY_NEAR_M = 3.0
"""Two who are farther apart than this, before and after, are not taken for each other; in rare frames they walk farther."""
MEETS_M = 2.7
CLOSELY_MEETS_M = 5.0
"""Two whose trails never come so near have nothing to exchange, unless one may go on for the other."""
TANGLED_M = 1.5
PASSES_M_S = 0.7
"""Two whose fixes lie so near each other, and as much farther as people pass each other so fast, are dealt out anew."""
ROUNDS = 4
"""So often deals are made anew while any gets better."""
ENOUGH = 4
"""Fewer fixes tell nothing of a second walker among them."""
ASIDE = 6
SPAN_MS = 2_000
"""So many fixes before and after, of so long at most, judge an exchange."""
LONGEST_SWAP = 3
BREAK = 12.0
"""A walk that is less likely than that of two people by more than this is as bad as one can be."""
LEAP = 4.0
"""Who ends and who begins are two where one walk is less likely than two people's by more than this."""
MOST_STRANGE = 4.0
"""Clothes speak against one walk by no more than this: light and shade change them too."""
MOST_MOVES = 60
MOST_PAIRS, MOST_LOOKS = 150, 400
"""Of a crowd only the nearest pairs are asked about, and no more often than this: some seventeen people before one camera are
asked about in full. More would take longer than the frames do to come."""
HOPELESS = 20.0
"""A move whose walks gain less than the best by more than this is not looked at further."""


@dataclass(frozen=True, slots=True)
class _Move:
    """An exchange: what the two trails have after it, and the pieces of walks that it joins and parts."""

    first: Walk
    second: Walk
    joined: tuple[tuple[Walk, ...], ...]
    parted: tuple[tuple[Walk, ...], ...]


def reconsider(
    trails: list[Trail],
    fixes: Fixes,
    *,
    closely: bool,
    dealt: bool = False,
    gain: float = GAIN,
    habits: Habits | None = None,
) -> None:
    """Deal the fixes that are not final out anew, in place, where it gains so much; `closely` also a few at a time.

    Those of two may also be `dealt` out all at once, by how straight they walk and not by clothes; then the camera's
    `habits` tell too.

    Trails may be empty after it.
    """
    search = _Search(trails, fixes, closely=closely, dealt=dealt, habits=habits)
    search.run(gain)
    if dealt:
        search.deal(gain)


class _Search:
    def __init__(
        self, trails: list[Trail], fixes: Fixes, *, closely: bool, dealt: bool, habits: Habits | None
    ) -> None:
        self._trails = trails
        self._closely = closely
        self._fixes = fixes
        self._t_ms: list[int] = fixes.t_ms.tolist()
        self._feet = fixes.feet_m
        self._at: list[complex] = (fixes.feet_m[:, 0] + 1j * fixes.feet_m[:, 1]).tolist()
        self._worn = fixes.worn
        self._dresses: dict[Walk, list[float] | None] = {}
        self._walks: dict[tuple[Walk, ...], float] = {}
        self._noise: list[float] = np.sqrt(np.trace(fixes.cov_m2, axis1=1, axis2=2)).tolist()
        evidence = Switching if dealt else Straightness
        self._straight = evidence(fixes.t_ms / 1000, fixes.feet_m, fixes.cov_m2)
        self._attendance = Attendance(trails, fixes, habits if dealt else None, seldom=dealt)
        self._value = self._attendance.value
        self._dealer = Dealer(fixes, self._attendance)
        self._near_m = CLOSELY_NEAR_M if closely else NEAR_M
        self._meets_m = CLOSELY_MEETS_M if closely else MEETS_M

    def run(self, least: float) -> None:
        trails = self._trails
        if self._closely:
            trails.append(Trail(()))
        best = self._bests(nearest(trails, self._fixes, MOST_PAIRS))
        looks = len(best)
        crowded = 2 * looks < len(trails) * (len(trails) - 1)
        for _ in range(MOST_MOVES if best else 0):
            if looks > MOST_LOOKS:
                break
            pair = max(best, key=lambda pair: best[pair][0])
            gain, move = best[pair]
            changes: dict[int, Walk] = {}
            if move is not None and gain >= least:
                changes = dict(zip(pair, (move.first, move.second), strict=True))
            elif not crowded:
                gain, changes = self._handed_on()
            if gain < least:
                break
            for index, walk in changes.items():
                trails[index].walk, trails[index].changed = walk, True
            touched = set(changes)
            if self._closely and trails[-1].walk:
                trails.append(Trail(()))
                touched.add(len(trails) - 1)
            again = [
                other
                for other in itertools.combinations(range(len(trails)), 2)
                if touched & set(other) and not (crowded and other not in best)
            ]
            best |= self._bests(again)
            looks += len(again)

    def deal(self, least: float) -> None:
        """Deal out all fixes of two who are entangled at once, where no single move was better; of one, whether two walked there."""
        for _ in range(ROUNDS):
            if self._trails[-1].walk:
                self._trails.append(Trail(()))
            pairs = nearest(self._trails, self._fixes, MOST_PAIRS)
            twos = [(self._trails[a], self._trails[b]) for a, b in pairs]
            self._dealer.learn([two for two in twos if self._tangled(*two)])
            taken = [self._dealt(*two, least) for two in twos]
            if not any(taken):
                break

    def _dealt(self, a: Trail, b: Trail, least: float) -> bool:
        """Whether another deal was so much better, and was taken."""
        walks = self._dealer.deal(a, b) if self._tangled(a, b) else None
        if walks is None or walks == (a.walk, b.walk) or (a.walk and b.walk and not all(walks)):
            return False
        self._straight.learn([a.walk, b.walk, *walks])
        now, then = (
            sum(
                self._straight[walk] + self._value(trail, walk)
                for trail, walk in zip((a, b), pair, strict=True)
            )
            for pair in ((a.walk, b.walk), walks)
        )
        if then < now + least:
            return False
        a.walk, b.walk = walks
        a.changed = b.changed = True
        return True

    def _tangled(self, a: Trail, b: Trail) -> bool:
        """Whether fixes of the one may be the other's."""
        if len(a.walk) == a.final and len(b.walk) == b.final:
            return False
        if not a.walk or not b.walk:
            return len(a.walk) + len(b.walk) >= ENOUGH
        if min(a.walk[-1], b.walk[-1]) < max(a.walk[0], b.walk[0]):
            return False
        one, other = ([*trail.walk[max(trail.final - 1, 0) :]] for trail in (a, b))
        apart_m = np.linalg.norm(self._feet[one][:, None] - self._feet[other][None], axis=2)
        at_ms = np.array(self._t_ms)
        waited_ms = np.abs(at_ms[one][:, None] - at_ms[other][None])
        near = (apart_m <= TANGLED_M + PASSES_M_S * waited_ms / 1000) & (waited_ms <= LONGEST_GAP_MS)
        return bool(near.any())

    def _handed_on(self) -> tuple[float, dict[int, Walk]]:
        """The best move of three: one ends, one begins, and who goes on between them was first this one and then that one."""
        best, found = -np.inf, dict[int, Walk]()
        relays = self._relays()
        for one, (ended, begun) in itertools.product(range(len(self._trails)), relays):
            a, b, c = self._trails[one], self._trails[ended], self._trails[begun]
            if one in (ended, begun) or not self._between_two(a.walk, b.walk, c.walk):
                continue
            before = sum(self._value(trail, trail.walk) for trail in (a, b, c))
            for cut in range(max(a.final, 1), len(a.walk)):
                head, tail = a.walk[:cut], a.walk[cut:]
                if not (self._follows(head, c.walk) and self._follows(b.walk, tail)):
                    continue
                ha, ta = self._thin(head, last=True), self._thin(tail, last=False)
                hb, tc = self._thin(b.walk, last=True), self._thin(c.walk, last=False)
                self._straight.learn([ha, ta, hb, tc, ha + ta, ha + tc, hb + ta])
                gain = self._walked((ha, tc)) + self._walked((hb, ta)) - self._walked((ha, ta))
                gain -= self._straight[hb] + self._straight[tc]
                gain += self._value(a, head + c.walk) + self._value(b, b.walk + tail) - before
                if gain > best:
                    best, found = gain, {one: head + c.walk, ended: b.walk + tail, begun: ()}
        return best, found

    def _relays(self) -> list[tuple[int, int]]:
        """Who ends, and who begins so soon after that somebody between them may have been both."""
        return [
            (ended, begun)
            for ended, begun in itertools.permutations(range(len(self._trails)), 2)
            if (last := self._trails[ended].walk)
            and (first := self._trails[begun].walk)
            and not self._trails[begun].final
            and 0 < self._t_ms[first[0]] - self._t_ms[last[-1]] <= LONGEST_GAP_MS
        ]

    def _between_two(self, one: Walk, ended: Walk, begun: Walk) -> bool:
        """Whether one was seen before one ends, and after another begins, near both."""
        if (
            not one
            or self._t_ms[one[0]] > self._t_ms[ended[-1]]
            or self._t_ms[one[-1]] < self._t_ms[begun[0]]
        ):
            return False
        return all(
            any(self._apart(fix, other) <= self._near_m for fix in one) for other in (ended[-1], begun[0])
        )

    def _bests(self, pairs: Sequence[tuple[int, int]]) -> dict[tuple[int, int], tuple[float, _Move | None]]:
        """The best exchange between the two trails of each pair, and its gain; what all of them ask is learnt at once."""
        moves = {(a, b): list(self._moves(self._trails[a], self._trails[b])) for a, b in pairs}
        every = list(itertools.chain(*moves.values()))
        pieces = {walk for move in every for walk in (*move.joined, *move.parted)}
        self._straight.learn(part for walk in pieces for part in (*walk, sum(walk, ())))
        self._attendance.learn(walk for move in every for walk in (move.first, move.second))
        return {pair: self._best(*pair, found) for pair, found in moves.items()}

    def _best(self, one: int, other: int, moves: Sequence[_Move]) -> tuple[float, _Move | None]:
        a, b = self._trails[one], self._trails[other]
        before = self._value(a, a.walk) + self._value(b, b.walk) if moves else 0.0
        best, found = -np.inf, None
        for move in moves:
            if _seams(move.joined) > _seams(move.parted) and not self._plausible(move):
                continue
            gain = sum(map(self._walked, move.joined)) - sum(map(self._walked, move.parted))
            if gain > best - HOPELESS:
                gain += self._value(a, move.first) + self._value(b, move.second) - before
                if gain > best:
                    best, found = gain, move
        return best, found

    def _plausible(self, move: _Move) -> bool:
        """Whether all that a move joins is no less likely one walk than two; clothes are not asked."""
        return all(
            self._straight[sum(pieces, ())] >= sum(self._straight[piece] for piece in pieces) - LEAP
            for pieces in move.joined
        )

    def _walked(self, pieces: tuple[Walk, ...]) -> float:
        """Log evidence that pieces follow each other in one walk."""
        known = self._walks.get(pieces)
        if known is None:
            real = [piece for piece in pieces if piece]
            joined = self._straight[sum(real, ())]
            apart = sum(self._straight[piece] for piece in real)
            strange = sum(self._strange(*pair) for pair in itertools.pairwise(real))
            known = max(joined, apart - BREAK * max(len(real) - 1, 0)) - strange
            self._walks[pieces] = known
        return known

    def _moves(self, a: Trail, b: Trail) -> Iterator[_Move]:
        if not self._meet(a, b):
            return
        free = [*a.walk[a.final :], *b.walk[b.final :]]
        moments = sorted({self._t_ms[fix] for fix in free})
        times_a, times_b = ([self._t_ms[fix] for fix in trail.walk] for trail in (a, b))
        swaps = LONGEST_SWAP if self._closely and a.walk and b.walk else 0
        for number, at_ms in enumerate(moments):
            cut_a, cut_b = (
                max(bisect_left(times_a, at_ms), a.final),
                max(bisect_left(times_b, at_ms), b.final),
            )
            head_a, tail_a, head_b, tail_b = a.walk[:cut_a], a.walk[cut_a:], b.walk[:cut_b], b.walk[cut_b:]
            if self._far(head_a, head_b, tail_a, tail_b):
                continue
            whole = (head_a or head_b) and (tail_a or tail_b)
            if whole and self._follows(head_a, tail_b) and self._follows(head_b, tail_a):
                yield self._exchange((head_a, head_b), (tail_a, tail_b))
            for last_ms in moments[number : number + swaps]:
                end_a, end_b = bisect_right(times_a, last_ms), bisect_right(times_b, last_ms)
                some_a, rest_a, some_b, rest_b = (
                    a.walk[cut_a:end_a],
                    a.walk[end_a:],
                    b.walk[cut_b:end_b],
                    b.walk[end_b:],
                )
                if not rest_a and not rest_b:
                    break
                if (
                    self._follows(head_a, some_b) and self._follows(some_b, rest_a)
                    and self._follows(head_b, some_a) and self._follows(some_a, rest_b)
                ):  # fmt: skip
                    yield self._exchange((head_a, head_b), (some_a, some_b), (rest_a, rest_b))

    def _exchange(
        self, heads: tuple[Walk, Walk], middles: tuple[Walk, Walk], rests: tuple[Walk, Walk] = ((), ())
    ) -> _Move:
        (head_a, head_b), (some_a, some_b), (rest_a, rest_b) = heads, middles, rests
        first, second = head_a + some_b + rest_a, head_b + some_a + rest_b
        three = bool(rest_a or rest_b)
        ha, hb = self._thin(head_a, last=True), self._thin(head_b, last=True)
        if three:
            ra, rb = self._thin(rest_a, last=False), self._thin(rest_b, last=False)
            return _Move(
                first, second, ((ha, some_b, ra), (hb, some_a, rb)), ((ha, some_a, ra), (hb, some_b, rb))
            )
        ta, tb = self._thin(some_a, last=False), self._thin(some_b, last=False)
        return _Move(first, second, ((ha, tb), (hb, ta)), ((ha, ta), (hb, tb)))

    def _strange(self, before: Walk, after: Walk) -> float:
        """How unlike the clothes of two pieces are."""
        one, other = self._dress(before), self._dress(after)
        if one is None or other is None:
            return 0.0
        return min(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)), MOST_STRANGE)

    def _dress(self, piece: Walk) -> list[float] | None:
        """What is mostly worn in a piece, if that is known."""
        if piece not in self._dresses:
            worn = self._worn[list(piece)]
            worn = worn[np.isfinite(worn).all(axis=1)]
            self._dresses[piece] = worn.mean(axis=0).tolist() if len(worn) else None
        return self._dresses[piece]

    def _thin(self, side: Walk, *, last: bool) -> Walk:
        """The fixes of one side that judge: the nearest to the seam, or fewer of a longer time."""
        if not side:
            return ()
        if last:
            near = side[bisect_left(side, bisect_left(self._t_ms, self._t_ms[side[-1]] - SPAN_MS)) :]
        else:
            near = side[: bisect_left(side, bisect_right(self._t_ms, self._t_ms[side[0]] + SPAN_MS))]
        stride = -(-len(near) // ASIDE)
        return near[::-1][::stride][::-1] if last else near[::stride]

    def _follows(self, head: Walk, tail: Walk) -> bool:
        """Whether somebody may have walked from the one to the other."""
        if not head or not tail:
            return True
        before, after = head[-1], tail[0]
        waited_ms = self._t_ms[after] - self._t_ms[before]
        noise_m = self._noise[before] + self._noise[after]
        return 0 < waited_ms <= LONGEST_GAP_MS and self._apart(before, after) <= reach_m(waited_ms, noise_m)

    def _far(self, head_a: Walk, head_b: Walk, tail_a: Walk, tail_b: Walk) -> bool:
        """Whether two who both go on walk too far apart to be taken for each other."""
        if not (head_a and head_b and tail_a and tail_b):
            return False
        return min(self._apart(head_a[-1], head_b[-1]), self._apart(tail_a[0], tail_b[0])) > self._near_m

    def _meet(self, a: Trail, b: Trail) -> bool:
        """Whether two trails come near each other, or one may go on for the other."""
        if len(a.walk) == a.final and len(b.walk) == b.final:
            return False
        if not a.walk or not b.walk:
            return True
        if any(self._follows(one.walk, next_.walk) for one, next_ in ((a, b), (b, a))):
            return True
        first, second = (self._feet[list(trail.walk[max(trail.final - 1, 0) :])] for trail in (a, b))
        apart = np.linalg.norm(first[:, None] - second[None], axis=2)
        return bool(apart.min() <= self._meets_m)

    def _apart(self, one: int, other: int) -> float:
        return abs(self._at[one] - self._at[other])


def _seams(walks: Sequence[Sequence[Walk]]) -> int:
    return sum(max(sum(map(bool, pieces)) - 1, 0) for pieces in walks)
