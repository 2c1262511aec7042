# make demo   from nothing to a served classifier that has answered for a picture
# make test   lint and every test; with a Docker engine up, the two images too
.PHONY: help install demo test lint lock docs clean
.DEFAULT_GOAL := help

PYTHON ?= python3

help:
	@sed -n 's/^# make/make/p' Makefile

# Two environments: the command line's own, and the one that holds everything for tests. Each is
# made anew when its lock changes.
.venv/.made: requirements/build.txt requirements/launcher.txt
	scripts/environment .venv requirements/launcher.txt
	@touch $@

.venv-dev/.made: requirements/build.txt requirements/dev.txt
	scripts/environment .venv-dev requirements/dev.txt
	@touch $@

# make install   the command line's environment, for .venv/bin/python launch.py …
install: .venv/.made

demo: .venv/.made
	.venv/bin/python launch.py demo

lint: .venv-dev/.made
	scripts/lint

test: .venv-dev/.made
	scripts/lint
	scripts/test

# make docs   docs/cli.md from --help
docs: .venv-dev/.made
	.venv-dev/bin/python -m launcher.cli.reference > docs/cli.md

# make lock   resolve requirements/*.in anew
lock: .venv-dev/.made
	scripts/lock

# make clean   remove what was made here: environments, caches, local jobs with their models
clean:
	@if [ -s .sagemaker/resources.jsonl ]; then \
	  echo "Kept .sagemaker/resources.jsonl, which knows what was started in AWS (launch.py status --aws)." >&2; \
	  find .sagemaker -mindepth 1 -maxdepth 1 ! -name resources.jsonl -exec rm -rf {} +; \
	else rm -rf .sagemaker; fi
	rm -rf .venv .venv-dev .cache demo-data .mypy_cache .ruff_cache .pytest_cache
