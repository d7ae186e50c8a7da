"""What the linter thinks of labels is what Prometheus does with them."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from ops.prometheus_tools import program
from ops.slo.lint import flow
from ops.slo.lint.book import Book, read
from tests.lint_helpers import CONTEXT, alert, file

pytestmark = pytest.mark.rules

VALUES = {
    "host": "h",
    "instance": "i",
    "job": "trader",
    "room": "hall",
    "outcome": "good",
    "le": "0.1",
    "new": "5",
}
TARGET = 'host="h",instance="i",job="trader"'
SERIES = {
    f"level{{{TARGET}}}": "5x9",
    f"limit{{{TARGET}}}": "5x9",
    f'temperature{{{TARGET},room="hall"}}': "5x9",
    f'events_total{{{TARGET},outcome="good"}}': "0+5x9",
    f'latency_seconds_bucket{{{TARGET},le="0.1"}}': "0+5x9",
    f'latency_seconds_bucket{{{TARGET},le="+Inf"}}': "0+5x9",
}
EXPRESSIONS = (
    "level",
    "rate(events_total[1m])",
    "sum(level)",
    "sum by (host, room) (temperature)",
    "sum without (room, job) (temperature)",
    "topk(1, temperature)",
    'count_values("new", level)',
    "level + limit",
    "level + on (host) limit",
    "level > on (host) limit - 1",
    "temperature * ignoring (room) level",
    "temperature * on (host) group_left () level",
    "level * on (host) group_left (room) temperature",
    "level * on (host) group_right () temperature",
    "temperature and on (host) level",
    "temperature unless on (room) (temperature > 9)",
    "sum by (host) (level) or on (host) temperature",
    "histogram_quantile(0.5, rate(latency_seconds_bucket[1m]))",
    'label_replace(level, "new", "5", "host", ".*")',
    'absent(none{host="h", room=~"hall"})',
    "vector(5)",
    "time() - level",
    "-temperature",
    "max_over_time(sum by (host) (level)[1m:10s])",
)


@pytest.mark.parametrize("expr", EXPRESSIONS)
def test_labels_of_the_result(expr: str, tmp_path: Path) -> None:
    rules, findings = read({"a.yml": file(alert(expr))}, CONTEXT)
    assert findings == []
    known = flow.labels(rules[0].tree, Book(rules, CONTEXT))
    assert known is not None
    labels = ",".join(f"{name}={json.dumps(VALUES[name])}" for name in sorted(known))
    case = {
        "evaluation_interval": "10s",
        "tests": [
            {
                "interval": "10s",
                "input_series": [{"series": name, "values": values} for name, values in SERIES.items()],
                "promql_expr_test": [
                    {
                        "expr": f"({expr}) * 0 + 1",
                        "eval_time": "1m",
                        "exp_samples": [{"labels": f"{{{labels}}}", "value": 1}],
                    }
                ],
            }
        ],
    }
    path = tmp_path / "case.yml"
    path.write_text(yaml.safe_dump(case))
    done = subprocess.run(
        [program("promtool"), "test", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
