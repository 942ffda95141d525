# Two commands: `make demo` runs the main job on the embedded demo, `make test` runs every check. Both set up first.
.PHONY: demo test test-services fast setup check format clean
.DEFAULT_GOAL := demo

demo: setup
	@tools/demo

test: setup
	@tools/check all

test-services: setup
	@tools/services

fast: setup
	@tools/check fast

setup:
	@tools/setup

format:
	.venv/bin/ruff check --fix src tests tools benchmarks
	.venv/bin/ruff format src tests tools benchmarks
	.venv/bin/snakefmt workflow

clean:
	rm -rf .venv results .mypy_cache .ruff_cache .pytest_cache .hypothesis
