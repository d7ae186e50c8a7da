"""The exceptions, each with its reason. One that nothing needs is a finding."""

from ops.slo.lint.model import Allowed

_CONSTANT = "the series are constants from the inventory; which pass wrote them changes nothing"
_MINUTES = "the budget adds up closed minutes every ten minutes; a minute that comes late is in the next sum"

ALLOWED: tuple[Allowed, ...] = (
    *(
        Allowed("dependency", "*", name, _CONSTANT)
        for name in ("expected_target", "expected_backup", "expected_drill_max_age_seconds")
    ),
    *(
        Allowed("dependency", f"slo:{kind}:increase10m", f"slo:{kind}:increase1m", _MINUTES)
        for kind in ("bad", "total")
    ),
)
