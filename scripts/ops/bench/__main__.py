from ops.bench.cli import main

main(prog_name="bench")
