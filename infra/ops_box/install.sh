#!/bin/sh
# Makes a machine the ops box HUB_BOX (jobs or deploys), or what it is already of another release, from the archive of a
# release that lies around this file. Runs as root; the caller has set HUB_BOX, HUB_RELEASES_BUCKET, AWS_DEFAULT_REGION.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)

case $HUB_BOX in
jobs) packages="python3-venv" pins="console" ;;
deploys) packages="python3-venv git g++ make" pins="console deploy" ;; # g++: llama.cpp, for the LLM boxes
*) echo "HUB_BOX is '$HUB_BOX': it must be jobs or deploys." >&2; exit 1 ;;
esac

if [ ! -e /opt/channels-hub/current ]; then
    # A machine that has just started updates itself: wait for that.
    apt="apt-get -o DPkg::Lock::Timeout=300"
    $apt update -q
    # shellcheck disable=SC2086 - several packages
    DEBIAN_FRONTEND=noninteractive $apt install -qy $packages
fi
id hub >/dev/null 2>&1 || useradd --system --home-dir /var/lib/channels-hub --create-home hub

python3 -m venv "$root/.venv"
for each in $pins; do
    "$root/.venv/bin/pip" install --quiet --constraint "$root/requirements/constraints.txt" -r "$root/requirements/$each.txt"
done

# Readable by root alone: systemd hands it to the worker.
umask 077
mkdir -p /etc/channels-hub
printf '%s\n' "HUB_BOX=$HUB_BOX" "HUB_RELEASES_BUCKET=$HUB_RELEASES_BUCKET" "AWS_DEFAULT_REGION=$AWS_DEFAULT_REGION" >/etc/channels-hub/box.env
aws s3 cp --quiet "s3://$HUB_RELEASES_BUCKET/$(basename "$root")/settings.json" /etc/channels-hub/settings.json
(cd "$root" && .venv/bin/python -m infra.ops_box.environment "$HUB_BOX" "$AWS_DEFAULT_REGION" </etc/channels-hub/settings.json >/etc/channels-hub/worker.env)
umask 022

ln -sfn "$root" /opt/channels-hub/current
install -m 644 "$root"/infra/ops_box/*.service "$root"/infra/ops_box/*.timer /etc/systemd/system/
systemctl daemon-reload
systemctl enable --now channels-hub-follow.timer
systemctl enable "channels-hub-worker@$HUB_BOX"
# A worker ends what it has in hand first, be it the deploy that brought this release.
systemctl restart --no-block "channels-hub-worker@$HUB_BOX"

# The two before this one stay: the worker may run from one of them still.
find /opt/channels-hub -mindepth 1 -maxdepth 1 -type d -printf '%T@ %p\n' | sort -rn | tail -n +4 | cut -d ' ' -f 2- | xargs -r rm -rf
