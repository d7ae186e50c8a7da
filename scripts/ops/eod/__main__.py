"""python -m ops.eod"""

from ops.eod.cli import cli

cli(prog_name="eod")
