"""The Ansible module `venue_clock`: it never says that two clocks agree better than was measured."""

from hypothesis import given
from hypothesis import strategies as st

from tests.ansible_modules import load

difference = load("venue_clock").difference

NOW_NS = 1_800_000_000 * 10**9
lengths = st.integers(0, 10**9)


@given(st.integers(-5 * 10**9, 5 * 10**9), lengths, lengths)
def test_the_difference_is_never_told_too_small(off_ns: int, there_ns: int, back_ns: int) -> None:
    """Whatever the way there and back took: at least the true difference, at most that and the doubt."""
    venue_ns = NOW_NS + there_ns + off_ns
    told = difference(NOW_NS, NOW_NS + there_ns + back_ns, venue_ns // 10**6)
    doubt = (there_ns + back_ns + 10**6) / 1e9
    assert abs(off_ns) / 1e9 <= told + 1e-9
    assert told <= abs(off_ns) / 1e9 + doubt + 1e-9


def test_a_quick_answer_of_the_same_clock_is_a_small_difference() -> None:
    assert difference(NOW_NS, NOW_NS + 400_000, NOW_NS // 10**6) == 0.001
