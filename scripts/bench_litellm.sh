#!/bin/sh
# Installs LiteLLM's proxy into a venv of its own, where tests/bench/gateway.py finds it. It needs 740 MB.
set -eu
cd "$(dirname "$0")/.."
"${PYTHON:-python3}" -m venv .venv-litellm
.venv-litellm/bin/python -m pip install --quiet --disable-pip-version-check 'litellm[proxy]==1.106.2'
.venv-litellm/bin/litellm --version
