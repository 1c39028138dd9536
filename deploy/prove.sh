#!/usr/bin/env bash
# Proves the Dockerfile where there is no Docker and no registry of images: every step of it is run by buildah in a clean
# root made from Debian's packages, then the image's own command serves, and is asked. For VARIANT=cpu; some minutes, 8 GB.
#   deploy/prove.sh --quick     the linters and schemas alone, as the tests run them
#   deploy/prove.sh             all of it, as root, with Debian's buildah and mmdebstrap
# TORCH_INDEX_URL  PyTorch's CPU index, as for `make`; else what `make` remembers
# MIRRORS          more options for `buildah build`, where pip needs more here than a plain machine has, e.g.
#                  "--volume /etc/pip.conf:/etc/pip.conf:ro"
# KEEP             a folder for the base and what was built, kept for the next run; else a new one, removed at the end
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

if [ "${1:-}" = --quick ]; then
    exec "${PYTHON:-.venv/bin/python}" -m pytest -q tests/integration/test_deploy.py
fi

for tool in buildah mmdebstrap unshare ip; do
    command -v "$tool" >/dev/null || { say "$tool is missing: apt-get install buildah mmdebstrap util-linux iproute2"; exit 2; }
done
[ "$(id -u)" = 0 ] || { say "A root file system is made by root alone. 需要 root 权限。"; exit 2; }
index=${TORCH_INDEX_URL:-$(cat .venv/.torch-index 2>/dev/null || true)}
read -ra mirrors <<< "${MIRRORS:-}"

work=${KEEP:-$(mktemp -d)}
mkdir -p "$work"
[ -n "${KEEP:-}" ] || trap 'rm -rf "$work"' EXIT
image=localhost/parley:proven
export BUILDAH_ISOLATION=chroot
buildah() { command buildah --root "$work/store" --runroot "$work/run" --storage-driver "${DRIVER:-overlay}" "$@"; }

# What stands in for the image that the Dockerfile begins with: Debian's own release of the same name, and its Python.
base=$(sed -n 's/^ARG BASE=//p' Dockerfile)
if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
    say "→ $base is made from Debian's packages · 用 Debian 软件包制作基础系统"
    [ -f "$work/base.tar" ] || mmdebstrap --quiet --variant=minbase \
        --include=ca-certificates,python3,python3-venv,python-is-python3 "${base##*-}" "$work/base.tar"
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$work/base.tar" / >/dev/null
    buildah commit --quiet "$container" "docker.io/library/$base" >/dev/null
    buildah rm "$container" >/dev/null
fi

say "→ The Dockerfile's own steps · 执行 Dockerfile 的每一步"
buildah build --format docker --pull-never "${mirrors[@]}" --build-arg VARIANT=cpu --build-arg TORCH_INDEX_URL="$index" \
    --tag "$image" .

say "→ What the image says of itself · 镜像的配置"
buildah inspect --type image "$image" > "$work/image.json"
python3 - "$work/image.json" "$work/config.json" <<'PYTHON'
import json, sys

config = json.load(open(sys.argv[1]))["Docker"]["config"]
json.dump(config, open(sys.argv[2], "w"))
assert config["User"] == "10001:10001", config["User"]
assert config["Entrypoint"] == ["parley"] and config["Cmd"] == ["serve"], config
assert "/var/lib/parley" in config["Volumes"], config
assert config["Healthcheck"]["Test"][0] == "CMD", config
PYTHON

# Without any network but a loopback of its own, so that its 0.0.0.0 is nobody's, and nothing can be fetched.
container=$(buildah from "$image")
root=$(buildah mount "$container")
say "→ It serves, with no network, as the account of the image · 断网、以镜像账户运行"
export -f buildah say
export container root work DRIVER image
unshare --net --pid --fork --mount-proc --kill-child bash deploy/proof.sh
buildah rm "$container" >/dev/null
say "✓ proven · 已验证"
