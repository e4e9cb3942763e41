"""`python -m api.cli`: how the supervisor starts the farm's own processes."""

from api.cli.app import main

main(prog_name="tapefarm")
