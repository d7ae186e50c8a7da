"""python -m ops.kill"""

from ops.kill.cli import main

main(prog_name="kill")
