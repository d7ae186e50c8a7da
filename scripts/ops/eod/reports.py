"""The reports of one day, and what they add up to."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema

from ops.errors import OperatorError

SCHEMA = json.loads(resources.files("ops.eod").joinpath("eod.schema.json").read_text())


@dataclass(frozen=True)
class Rollup:
    """A fleet's day.

    Args:
        missing: hosts without a report.
    """

    inventory: str
    day: str
    reports: Sequence[dict[str, Any]]
    missing: Sequence[str]

    @property
    def closed(self) -> bool:
        """Every account agrees with the venue, and none is missing."""
        return bool(self.reports) and not self.missing and all(one["reconciled"] for one in self.reports)

    def total(self, of: Callable[[dict[str, Any]], str | None]) -> Decimal | None:
        """A sum over the accounts; None when a part of it is not known."""
        parts = [of(one) for one in self.reports]
        if self.missing or any(part is None for part in parts):
            return None
        return sum((Decimal(str(part)) for part in parts), Decimal(0))

    def text(self, name: str) -> str:
        """A sum of the profit and loss for people."""
        total = self.total(lambda one: one["pnl_usd"][name])
        return "not known" if total is None else f"{total:,.2f}"

    def fields(self) -> dict[str, Any]:
        """JSON-ready."""
        drift = self.total(lambda one: one["drift_usd"])
        return {
            "inventory": self.inventory,
            "day": self.day,
            "closed": self.closed,
            "missing": list(self.missing),
            "fills": sum(one["fills"] for one in self.reports),
            "net_usd": None if (net := self.total(lambda one: one["pnl_usd"]["net"])) is None else str(net),
            "drift_usd": None if drift is None else str(drift),
            "discrepancies": sum(one["discrepancy_count"] for one in self.reports),
        }


def read(folder: Path, inventory: str, day: str, hosts: Sequence[str]) -> Rollup:
    """Read a day.

    Raises:
        OperatorError: a report is not one, or of another host or day; it is named.
    """
    reports, missing = [], []
    for host in hosts:
        path = folder / f"{host}.json"
        try:
            content = json.loads(path.read_text())
            jsonschema.validate(content, SCHEMA)
        except FileNotFoundError:
            missing.append(host)
            continue
        except (OSError, ValueError) as error:
            raise OperatorError(f"{path}: cannot be read: {error}") from None
        except jsonschema.ValidationError as error:
            where = ".".join(str(part) for part in error.absolute_path) or "the report"
            raise OperatorError(f"{path}: {where}: {error.message}") from None
        if (content["host"], content["day"]) != (host, day):
            raise OperatorError(
                f"{path}: is of {content['host']} on {content['day']}, not of {host} on {day}"
            )
        reports.append(content)
    return Rollup(inventory, day, reports, missing)
