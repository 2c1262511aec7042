#!/bin/sh
# On PATH before the toolkit's own `train`.
exec python -P -m container.train "$@"
