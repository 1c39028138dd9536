#!/usr/bin/env bash
# The second half of prove.sh, which runs it in a network of its own: the container holds no tools, serves, is healthy and
# answers. It is handed `buildah` and `say`, and in $container, $root and $work what was built and where.
set -euo pipefail
ip link set lo up
token=$(python3 -c 'import secrets; print(secrets.token_urlsafe(32))')
digest=$(printf %s "$token" | sha256sum | cut -d' ' -f1)

# As `docker run` would: the image's own account, folder and environment.
inside() { buildah run --user 10001:10001 --env "PARLEY_CONSOLE__TOKENS={\"prover\": \"$digest\"}" "$container" -- "$@"; }

inside sh -c 'test "$(id -u):$(id -g)" = 10001:10001 && test -w /var/lib/parley && ! touch /app/x 2>/dev/null' \
    || { say "✗ It runs as another account, or may write to its code, or not to its data"; exit 1; }
# Asked within: a container that cannot be asked has not passed.
for tool in gcc cc make git; do
    inside sh -c "! command -v $tool" >/dev/null || { say "✗ $tool is in the image"; exit 1; }
done
test -d "$root/app/bot" || { say "✗ The image is not mounted at $root"; exit 1; }
for path in tests docs deploy/compose.yaml .git .venv var; do
    test ! -e "$root/app/$path" || { say "✗ /app/$path is in the image"; exit 1; }
done
mapfile -t healthcheck < <(python3 -c 'import json, sys
print(*json.load(open(sys.argv[1]))["Healthcheck"]["Test"][1:], sep="\n")' "$work/config.json")
[ -n "${healthcheck[*]:-}" ] || { say "✗ The image has no health check"; exit 1; }
! inside "${healthcheck[@]}" >/dev/null 2>&1 || { say "✗ It is healthy before it has started"; exit 1; }

inside parley serve > "$work/serve.log" 2>&1 &
serving=$!
for _ in $(seq 120); do
    kill -0 "$serving" 2>/dev/null || break
    if inside "${healthcheck[@]}" >/dev/null 2>&1; then healthy=yes; break; fi
    sleep 1
done
[ "${healthy:-}" = yes ] || { say "✗ It is not healthy:"; tail -20 "$work/serve.log" >&2; exit 1; }
say "✓ healthy · 健康检查通过"

python3 - "$token" <<'PYTHON'
import json, sys
from urllib.request import ProxyHandler, Request, build_opener

address, ask = "http://127.0.0.1:8080", build_opener(ProxyHandler({})).open
assert json.load(ask(f"{address}/healthz"))["status"] == "alive"
headers = {"Authorization": f"Bearer {sys.argv[1]}", "Content-Type": "application/json"}
request = Request(f"{address}/chat", json.dumps({"prompt": "What is Parley?"}).encode(), headers)
answer = json.load(ask(request, timeout=120))
print(json.dumps(answer, ensure_ascii=False)[:400])
assert "Parley" in json.dumps(answer), answer
PYTHON
say "✓ asked and answered · 已提问并得到回答"

# As `docker stop` does it.
kill -TERM "$(pgrep --full --newest 'bin/parley serve')"
wait "$serving" || { say "✗ It did not end as it should:"; tail -20 "$work/serve.log" >&2; exit 1; }
say "✓ ended on SIGTERM · 收到 SIGTERM 后正常退出"
