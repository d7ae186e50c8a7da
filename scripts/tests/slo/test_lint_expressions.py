"""Each check of what an expression computes finds its mistake, and nothing in the neighbour that is right."""

import pytest

from tests.lint_helpers import alert, codes, findings, record

HOSTS = "sum by (host) "
BAD = 'events_total{outcome="bad"}'

# what is found, an expression in which it is, its neighbour in which nothing is
CASES = {
    "window of the service's job": (
        "window",
        f"{HOSTS}(rate(events_total[19s])) > 1",
        f"{HOSTS}(rate(events_total[20s])) > 1",
    ),
    "window of a slower job": (
        "window",
        f"{HOSTS}(increase(bytes_total[59s])) > 1",
        f"{HOSTS}(increase(bytes_total[1m])) > 1",
    ),
    "window of the slowest job that may be meant": (
        "window",
        f"{HOSTS}(changes(up[20s])) > 1",
        f'{HOSTS}(changes(up{{job="trader"}}[20s])) > 1',
    ),
    "window of a subquery": (
        "window",
        f"{HOSTS}(deriv(avg_over_time(level[1m])[3m:1m])) > 1",
        f"{HOSTS}(deriv(avg_over_time(level[1m])[4m:1m])) > 1",
    ),
    "rate of a gauge": (
        "rate-of-gauge",
        f"{HOSTS}(rate(level[5m])) > 1",
        f"{HOSTS}(rate(events_total[5m])) > 1",
    ),
    "increase of a gauge": (
        "rate-of-gauge",
        f"{HOSTS}(increase(level[5m])) > 1",
        f"{HOSTS}(increase(latency_seconds_count[5m])) > 1",
    ),
    "delta of a counter": (
        "gauge-function",
        f"{HOSTS}(delta(events_total[5m])) > 1",
        f"{HOSTS}(delta(level[5m])) > 1",
    ),
    "deriv of a bucket": (
        "gauge-function",
        f"{HOSTS}(deriv(latency_seconds_bucket[5m])) > 1",
        f"{HOSTS}(deriv(level[5m])) > 1",
    ),
    "rate of a sum": (
        "rate-of-sum",
        f"{HOSTS}(rate(sum by (host) (events_total)[5m:5s])) > 1",
        f"{HOSTS}(max_over_time(sum by (host) (rate(events_total[5m]))[5m:5s])) > 1",
    ),
    "division by what may be 0": (
        "division",
        f"{HOSTS}(rate({BAD}[5m])) / {HOSTS}(rate(events_total[5m])) > 0.5",
        f"{HOSTS}(rate({BAD}[5m])) / ({HOSTS}(rate(events_total[5m])) > 0) > 0.5",
    ),
    "division in an aggregation": (
        "division",
        "max by (host) (level / limit) > 1",
        "max by (host) (level / (limit > 0)) > 1",
    ),
    "remainder": ("division", "level % limit > 1", "level % (limit != 0) > 1"),
    "division by a floored divisor": (
        "division",
        "level / clamp_min(limit, 0) > 1",
        "level / clamp_min(limit, 0.1) > 1",
    ),
    "division under a floor on its divisor": (
        "division",
        "level / limit > 1 and limit >= 0",
        "level / limit > 1 and round(limit) >= 20",
    ),
    "floor on the result of an aggregation": (
        "division",
        "max by (host) (level / limit) > 1 and on (host) limit > 0",
        "max by (host) (level / limit > 1 and limit > 0)",
    ),
    "division by a sum": (
        "division",
        "level / (1 + limit) > 1",
        f"level / on (host) (1 + {HOSTS}(increase(events_total[5m]))) > 1",
    ),
    "division by the wrong side of a comparison": (
        "division",
        "level / (limit < 5) > 1",
        "level / (0 < limit) > 1",
    ),
    "join on a label that the left side has not": (
        "join",
        "level > 1 and on (host, room) (temperature > 1)",
        "level > 1 and on (host) (temperature > 1)",
    ),
    "join on a label that the right side dropped": (
        "join",
        f"level > 1 unless on (host, instance) ({HOSTS}(level) > 2)",
        f"level > 1 unless on (host) ({HOSTS}(level) > 2)",
    ),
    "join on all labels when one side has more": (
        "join",
        "level * (temperature > 0) > 1",
        "level * ignoring (room) (temperature > 0) > 1",
    ),
    "join with a label that the other side cannot lend": (
        "join",
        "level * on (host) group_left (floor) (temperature > 0) > 1",
        "level * on (host) group_left (room) (temperature > 0) > 1",
    ),
    "topk": ("topk", "topk(3, level) > 1", "max by (host) (level) > 1"),
    "bottomk": ("topk", "bottomk(3, level) > 1", "min by (host) (level) > 1"),
    "quantile at the last finite bucket": (
        "quantile",
        "histogram_quantile(0.9, sum by (host, le) (rate(latency_seconds_bucket[5m]))) >= 1",
        "histogram_quantile(0.9, sum by (host, le) (rate(latency_seconds_bucket[5m]))) > 0.5",
    ),
    "quantile read from the right": (
        "quantile",
        "2 < max by (host) (histogram_quantile(0.9, rate(latency_seconds_bucket[5m])))",
        "0.9 < max by (host) (histogram_quantile(0.9, rate(latency_seconds_bucket[5m])))",
    ),
}


@pytest.mark.parametrize(("code", "wrong", "right"), CASES.values(), ids=CASES.keys())
def test_expression(code: str, wrong: str, right: str) -> None:
    assert codes(alert(wrong)) == [code]
    assert codes(alert(right)) == []


def test_a_recorded_rate_is_no_counter() -> None:
    recorded = record("host:events:rate5m", f"{HOSTS}(rate(events_total[5m]))")
    assert codes(recorded, alert("rate(host:events:rate5m[5m]) > 1")) == ["rate-of-gauge"]
    assert codes(recorded, alert("delta(host:events:rate5m[5m]) > 1")) == []


def test_a_recorded_sum_of_counters_hides_their_resets() -> None:
    recorded = record("host:events:sum", f"{HOSTS}(events_total)")
    assert codes(recorded, alert("increase(host:events:sum[5m]) > 1")) == ["rate-of-sum"]
    assert codes(recorded, alert("host:events:sum > 1")) == []


def test_a_window_over_recorded_series_is_as_slow_as_their_group() -> None:
    rules = (record("host:level:max", "max by (host) (level)"), alert("delta(host:level:max[1m]) > 1"))
    assert codes(*rules) == []
    assert codes(*rules, evaluation=30) == ["window"]


def test_a_recorded_constant_is_no_divisor_that_may_be_0() -> None:
    rules = [record("objective", "vector(0.99)", slo="a"), record("objective", "vector(0.95)", slo="b")]
    assert codes(*rules, alert("level / on () group_left (slo) (1 - objective) > 1")) == []
    rules.append(record("objective", "vector(1)", slo="c"))
    assert codes(*rules, alert("level / on () group_left (slo) (1 - objective) > 1")) == ["division"]


def test_a_recorded_quantile_has_a_top_too() -> None:
    recorded = record("latency:p90", "histogram_quantile(0.9, rate(latency_seconds_bucket[5m]))")
    assert codes(recorded, alert("latency:p90 > 5")) == ["quantile"]
    assert codes(recorded, alert("latency:p90 > 0.7")) == []


def test_a_finding_says_where_and_what() -> None:
    (found,) = findings(alert("level / limit > 1"))
    assert (found.file, found.group, found.rule, found.about) == (
        "example.yml",
        "example",
        "Example",
        "limit",
    )
    assert (
        str(found)
        == "example.yml: example: Example: 0/0 is NaN: the divisor limit needs `> 0` or a floor [division]"
    )
