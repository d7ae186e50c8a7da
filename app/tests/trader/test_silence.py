"""A stream that stays silent while orders are acknowledged is found; a quiet account is not suspected."""

from hypothesis import given
from hypothesis import strategies as st

from trader.venue.streams import SILENCE_SECONDS, Silence

LIMIT = int(SILENCE_SECONDS) + 2


def found_after(heard: list[float], acks: list[float], seconds: int) -> int | None:
    """The second at which the silence is found, given times of events and acknowledgements."""
    silence = Silence()
    for now in range(seconds):
        heard_at = max([time for time in heard if time <= now], default=-1.0)
        acked_at = max([time for time in acks if time <= now], default=None)
        if silence.lasts(now, heard_at, acked_at):
            return now
    return None


def test_a_dead_stream_is_found_while_orders_go_on() -> None:
    acks = [second + 0.2 for second in range(60)]
    found = found_after([1.3], acks, 60)
    assert found is not None
    assert found <= 2 + LIMIT


def test_a_single_order_is_enough() -> None:
    found = found_after([1.0], [10.2], 60)
    assert found is not None
    assert 10 + SILENCE_SECONDS < found <= 11 + LIMIT


@given(st.lists(st.integers(min_value=0, max_value=100), unique=True))
def test_an_event_soon_after_each_order_is_no_silence(seconds: list[int]) -> None:
    assert (
        found_after([second + 0.3 for second in seconds], [second + 0.2 for second in seconds], 110) is None
    )


def test_without_orders_there_is_nothing_to_hear() -> None:
    assert found_after([1.0], [], 60) is None
    assert found_after([20.0], [19.9], 60) is None
