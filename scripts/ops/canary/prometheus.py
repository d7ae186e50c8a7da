"""Questions to Prometheus, each an instant query, each answer kept as it came."""

import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_MAXIMUM_BYTES = 8 << 20


class PrometheusError(Exception):
    """No usable answer. The text is one line without the server's address."""


class QueryError(PrometheusError):
    """Prometheus answered that it cannot evaluate this query; asking again does not help."""


@dataclass(frozen=True)
class Sample:
    """One series of an answer. `raw` is the value as text: NaN and +Inf stay what they are."""

    labels: dict[str, str]
    raw: str

    @property
    def value(self) -> float | None:
        """The value, or None when it is not a finite number."""
        try:
            number = float(self.raw)
        except ValueError:
            return None
        return number if math.isfinite(number) else None


@dataclass(frozen=True)
class Answer:
    """One query's result. `at_seconds` is the evaluation time by Prometheus' own clock (unix)."""

    query: str
    at_seconds: float
    samples: tuple[Sample, ...]

    def by_host(self) -> dict[str, list[Sample]]:
        """The samples under their label `host`; those without one are left out."""
        found: dict[str, list[Sample]] = {}
        for sample in self.samples:
            if "host" in sample.labels:
                found.setdefault(sample.labels["host"], []).append(sample)
        return found

    def to_json(self) -> dict[str, Any]:
        samples = [{"labels": sample.labels, "value": sample.raw} for sample in self.samples]
        return {"query": self.query, "at_seconds": self.at_seconds, "samples": samples}


class Prometheus:
    """A client of the HTTP API.

    Args:
        url: address without /api.
        timeout_seconds: of each request.
    """

    def __init__(self, url: str, timeout_seconds: float = 5.0) -> None:
        self.url = url
        self._timeout_seconds = timeout_seconds
        # The fleet's monitor is never behind the proxy that the environment may name for the internet.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def now(self) -> float:
        """Prometheus' clock (unix seconds). All windows and ages are measured by it and by no other.

        Raises:
            PrometheusError: no answer.
        """
        data = self._get("time()", None)
        try:
            return float(data["result"][1])
        except (KeyError, IndexError, TypeError, ValueError):
            raise PrometheusError("it gives no time; is this Prometheus?") from None

    def query(self, query: str, at_seconds: float) -> Answer:
        """Evaluate a query that gives a vector.

        Raises:
            PrometheusError: no answer, an error from Prometheus, or a result that is not a vector.
        """
        data = self._get(query, at_seconds)
        if data.get("resultType") != "vector":
            raise QueryError(f"the result is a {data.get('resultType')}, not a vector: {query}")
        try:
            samples = tuple(Sample(dict(one["metric"]), str(one["value"][1])) for one in data["result"])
        except (KeyError, IndexError, TypeError, ValueError):
            raise PrometheusError("the result is malformed") from None
        return Answer(query, at_seconds, samples)

    def _get(self, query: str, at_seconds: float | None) -> dict[str, Any]:
        parameters = {"query": query} | ({} if at_seconds is None else {"time": f"{at_seconds:.3f}"})
        url = f"{self.url}/api/v1/query?{urllib.parse.urlencode(parameters)}"
        try:
            with self._opener.open(url, timeout=self._timeout_seconds) as response:
                body = response.read(_MAXIMUM_BYTES)
        except urllib.error.HTTPError as error:
            body = error.read(_MAXIMUM_BYTES)
            if not body.startswith(b"{"):
                raise PrometheusError(f"HTTP status {error.code}") from None
        except urllib.error.URLError as error:
            raise PrometheusError(f"cannot be reached: {error.reason}") from None
        except (OSError, ValueError) as error:  # a broken or slow answer; an address that is none
            raise PrometheusError(f"cannot be reached: {error}") from None
        try:
            document = json.loads(body)
            if document["status"] != "success":
                raise QueryError(f"{document['error']}: {query}")
            data: dict[str, Any] = document["data"]
        except (ValueError, KeyError, TypeError):
            raise PrometheusError("the answer is not Prometheus' JSON") from None
        return data


def selector(metric: str, hosts: Sequence[str], *matchers: str) -> str:
    """A metric of the service on some hosts, such as `up{job="trader", host=~"a|b"}`."""
    pattern = "|".join(host.replace(".", "[.]") for host in hosts)
    inside = ", ".join(['job="trader"', f'host=~"{pattern}"', *matchers])
    return f"{metric}{{{inside}}}"
