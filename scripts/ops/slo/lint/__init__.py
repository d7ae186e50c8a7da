"""A linter for Prometheus rules: what is valid PromQL and still cannot work.

The checks by the code that a finding carries; allowed.py has the exceptions. Most are ideas of Cloudflare's
pint (https://cloudflare.github.io/pint/), on the rules as they are rendered and on what the project declares.

syntax         the file or the expression cannot be read
metric         no exporter exposes the name and no rule records it
label, value   the label is not there, or never has that value
bucket         `le` is no bound of the histogram, as text: le="1" is not le="1.0"
dependency     reads what another group records, at another time
order          reads what the same group records later
duplicate      the alert, or the recorded series, has two rules
window         a rate over less than four samples
rate-of-gauge, gauge-function, rate-of-sum
               rate and increase take counters; delta and deriv take gauges; a sum hides resets
division       the divisor may be 0
join           labels by which two sides are matched are missing on one
topk           selects other series with every evaluation
quantile       a threshold that the last finite bucket never lets a quantile pass
comparison     an alert without a condition
absent         absent() without `for`
annotation     summary or runbook_url is missing
severity, severity-none
               severity is page or ticket; none is for the Watchdog
template       a text prints a label that the expression drops
host           an alert without a host that is not of the fleet
money          an alert about money without keep_firing_for
runbook        the page is missing, or the address leads elsewhere
threshold      rule and slo.yml differ in a number or in an alert
burn           factor x budget that a ratio cannot reach
exception      an exception that nothing needs, or without a reason
"""

from ops.slo.lint.engine import lint
from ops.slo.lint.model import Allowed, Burn, Context, Finding, Metric
from ops.slo.lint.run import run

__all__ = ["Allowed", "Burn", "Context", "Finding", "Metric", "lint", "run"]
