import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.bounds import bound_text, value_text
from ops.canary.judge import enough_scrapes, judge, overall, standing_criteria
from ops.canary.plan import Criterion
from ops.canary.prometheus import Answer, Sample

HOSTS = ("trader-01", "trader-02", "trader-03")


def criterion(kind: Any = "below", bound: float = 0.01, minimum: float | None = 20) -> Criterion:
    return Criterion(
        "errors", "", "ratio", kind, bound, "q[$window]", "n[$window]" if minimum else None, minimum
    )


def answer(*values: str | None, label: str = "host") -> Answer:
    samples = [
        Sample({label: host}, value) for host, value in zip(HOSTS, values, strict=False) if value is not None
    ]
    return Answer("q", 0.0, tuple(samples))


PLENTY = answer("100", "100", "100")


def test_all_hosts_within_the_bound_pass() -> None:
    result = judge(criterion(), HOSTS, answer("0", "0.0099", "0.001"), PLENTY)
    assert result.verdict == "pass"
    assert (result.worst.host, result.worst.value) == ("trader-02", 0.0099)
    assert all(host.reason == "" for host in result.hosts)


def test_one_bad_host_of_many_decides() -> None:
    result = judge(criterion(), HOSTS, answer("0", "0.03", "0"), PLENTY)
    assert result.verdict == "fail"
    assert result.worst.host == "trader-02"
    assert result.worst.reason == "3 %, bound < 1 %"


@pytest.mark.parametrize(
    ("kind", "bound", "value", "verdict"),
    [
        ("below", 0.01, "0.01", "fail"),
        ("below", 0.01, "0.00999", "pass"),
        ("max", 0.0, "0", "pass"),
        ("max", 0.0, "1", "fail"),
        ("min", 2.0, "2", "pass"),
        ("min", 2.0, "1", "fail"),
    ],
)
def test_bounds(kind: str, bound: float, value: str, verdict: str) -> None:
    assert judge(criterion(kind, bound, None), HOSTS[:1], answer(value), None).verdict == verdict


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "nonsense", None])
def test_no_number_is_no_pass(value: str | None) -> None:
    result = judge(criterion("max", 1e9, None), HOSTS, answer("0", value, "0"), None)
    assert result.verdict == "inconclusive"
    assert result.worst.host == "trader-02"
    assert "no data" in result.worst.reason


def test_an_empty_answer_an_error_and_a_missing_label_are_no_pass() -> None:
    for given_answer in (answer(), "Prometheus: away", answer("0", "0", "0", label="instance")):
        result = judge(criterion("max", 1, None), HOSTS, given_answer, None)
        assert result.verdict == "inconclusive"
        assert len(result.hosts) == 3


def test_two_series_for_one_host_are_no_pass() -> None:
    twice = Answer("q", 0.0, (*answer("0", "0", "0").samples, Sample({"host": "trader-01"}, "0")))
    assert judge(criterion(minimum=None), HOSTS, twice, None).worst.reason.startswith("2 series for one host")


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (answer("100", "19.9", "100"), "rests on 19.9 samples, 20 are needed"),
        (answer("100", "NaN", "100"), "number of samples: no data (the value is NaN)"),
        (answer("100", None, "100"), "number of samples: no data"),
        ("Prometheus: away", "number of samples: Prometheus: away"),
    ],
)
def test_too_few_samples_are_no_pass(samples: Answer | str, reason: str) -> None:
    result = judge(criterion(), HOSTS, answer("0", "0", "0"), samples)
    assert result.verdict == "inconclusive"
    assert result.hosts[1].reason == reason


def test_a_breach_on_few_samples_is_a_breach() -> None:
    assert judge(criterion(), HOSTS, answer("1", "0", "0"), answer("2", "100", "100")).verdict == "fail"


def test_a_failure_outranks_missing_proof_in_the_worst_host() -> None:
    result = judge(criterion(), HOSTS, answer(None, "0.5", "0"), PLENTY)
    assert (result.verdict, result.worst.host) == ("fail", "trader-02")


values = st.one_of(st.none(), st.floats().map(str), st.sampled_from(["NaN", "+Inf", ""]))


@given(st.lists(values, min_size=3, max_size=3), st.lists(values, min_size=3, max_size=3))
def test_a_pass_rests_on_a_number_and_enough_samples_of_every_host(
    found: list[str | None], counts: list[str | None]
) -> None:
    result = judge(criterion(), HOSTS, answer(*found), answer(*counts))
    if result.verdict == "pass":
        for value, count in zip(found, counts, strict=True):
            assert value is not None
            assert count is not None
            assert float(value) < 0.01
            assert 20 <= float(count) < math.inf


@given(st.lists(st.sampled_from(["pass", "fail", "inconclusive"])))
def test_the_whole_is_no_better_than_its_parts(verdicts: list[Any]) -> None:
    whole = overall(verdicts)
    assert (whole == "pass") == (bool(verdicts) and set(verdicts) == {"pass"})
    assert (whole == "fail") == ("fail" in verdicts)


def test_what_every_plan_is_judged_by() -> None:
    (scraped, thin), (reported, _), (restarts, again) = standing_criteria("r", "s", ["a", "b"], 60, 5)
    assert (thin, again) == ("inconclusive", "fail")
    assert (scraped.kind, scraped.bound) == ("min", 9)
    assert 'up{job="trader", host=~"a|b"}[$window]' in scraped.query
    assert 'trader_build_info{job="trader", host=~"a|b", release="r", sha256="s"}' in reported.query
    assert (restarts.kind, restarts.bound) == ("max", 0)
    assert [enough_scrapes(seconds, 5) for seconds in (15, 25, 100)] == [2, 4, 16]


def test_values_for_a_person() -> None:
    assert value_text(0.0123, "ratio") == "1.23 %"
    assert value_text(0.0871, "s") == "87.1 ms"
    assert value_text(2.5, "s") == "2.5 s"
    assert value_text(None, "s") == "no data"
    assert bound_text("max", 0, "ratio") == "<= 0 %"
