"""python -m ops.restore"""

from ops.restore.cli import cli

cli(prog_name="restore")
