"""Questions to Prometheus, each answer kept as it came."""

import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
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

    def query_range(
        self, query: str, hosts: Sequence[str], start_seconds: float, end_seconds: float, step_seconds: float
    ) -> dict[str, list[float | None]]:
        """Evaluate a query at every step.

        Args:
            query: PromQL with one series for each host, under the label `host`.
            hosts: whose values are wanted.
            start_seconds, end_seconds: of the first and the last step (unix).
            step_seconds: between two.
        Returns:
            For each host one value a step, None where there is no finite number.
        Raises:
            PrometheusError: as for `query`; also for two series of one host.
        """
        span = {"start": f"{start_seconds:.3f}", "end": f"{end_seconds:.3f}", "step": f"{step_seconds:.3f}"}
        data = self._get(query, None, "query_range", span)
        count = round((end_seconds - start_seconds) / step_seconds) + 1
        found: dict[str, list[float | None]] = {host: [None] * count for host in hosts}
        seen: set[str] = set()
        try:
            for series in data["result"]:
                host = series["metric"].get("host")
                if host not in found:
                    continue
                if host in seen:
                    raise QueryError(f"several series for {host}; the query must group by (host): {query}")
                seen.add(host)
                for at, raw in series["values"]:
                    index = round((float(at) - start_seconds) / step_seconds)
                    if 0 <= index < count:
                        found[host][index] = Sample({}, str(raw)).value
        except (KeyError, IndexError, TypeError, ValueError):
            raise PrometheusError("the result is malformed") from None
        return found

    def _get(
        self,
        query: str,
        at_seconds: float | None,
        endpoint: str = "query",
        span: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        parameters = {"query": query} | ({} if at_seconds is None else {"time": f"{at_seconds:.3f}"})
        url = f"{self.url}/api/v1/{endpoint}?{urllib.parse.urlencode(parameters | dict(span or {}))}"
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
