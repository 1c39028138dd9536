#!/usr/bin/env bash
# The blue-green switch: a new release starts beside the one that serves, and people reach it once it is ready.
#   switch.sh install IMAGE    the first time: both colours, of which blue serves; the Secret `parley` must be there. Where
#                              it failed, it is called again
#   switch.sh release IMAGE    migrate, start IMAGE in the idle colour, wait until it is ready, switch
#   switch.sh back             the colour before serves again, with the release it had
#   switch.sh finish           the idle colour ends: what it had begun is finished first
#   switch.sh status           which colour serves, and what each runs
# KUBECTL  the command, with a namespace or a context where yours are not the current ones: "kubectl -n parley"
# TIMEOUT  seconds that the migration, and the processes, may take (600)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
read -ra kubectl <<< "${KUBECTL:-kubectl}"
timeout=${TIMEOUT:-600}

k() { "${kubectl[@]}" "$@"; }
say() { printf '%s\n' "$*"; }
die() { printf '✗ %s\n' "$@" >&2; exit 1; }

live() { k get service parley --output jsonpath='{.spec.selector.colour}'; }
before() { k get service parley --output jsonpath='{.metadata.annotations.parley/before}'; }
other() {
    case "$1" in
        blue) echo green ;;
        green) echo blue ;;
        *) die "It is not known which colour serves, and nothing was done." "无法得知当前由哪一色提供服务,未执行任何操作。" ;;
    esac
}
replicas() { k get deployment "parley-$1" --output jsonpath='{.spec.replicas}'; }
of() { sed "s|^\( *image:\).*|\1 $2|" "$here/$1.yaml"; }  # what stands there, with this image
image() { k get deployment "parley-$1" --output jsonpath='{.spec.template.spec.containers[0].image}'; }

migrate() {
    say "→ The database is brought to the schema of $1 · 正在更新数据库结构"
    k delete job parley-migrate --ignore-not-found
    of migrate "$1" | k create --filename -
    local ends=$((SECONDS + timeout))
    while [ $SECONDS -lt $ends ]; do
        case " $(k get job parley-migrate --output jsonpath='{.status.conditions[?(@.status=="True")].type}') " in
            *" Complete "*) return ;;
            *" Failed "*) break ;;
        esac
        sleep 1
    done
    die "The migration did not end well, and nothing was switched: kubectl logs job/parley-migrate" \
        "数据库更新失败,未切换:kubectl logs job/parley-migrate"
}

# $1 gets at least $2 processes and all of them are ready, else this ends here: the other colour serves as before.
ready() {
    say "→ $1 starts $2 · 正在启动"
    k scale deployment "parley-$1" --replicas "$2"
    k rollout status deployment "parley-$1" --timeout "${timeout}s" && return
    k scale deployment "parley-$1" --replicas 0
    die "$1 did not become ready, and was ended; nothing was switched." "$1 未就绪,已停止;未切换。"
}

point() {  # from $1 to $2: both in one step, so that `back` always knows the way
    k patch service parley --type merge --patch \
        "{\"metadata\": {\"annotations\": {\"parley/before\": \"$1\"}}, \"spec\": {\"selector\": {\"colour\": \"$2\"}}}"
    say "✓ $2 serves: $(image "$2") · 现在由 $2 提供服务"
}

forget_before() {
    local past
    past=$(before)
    [ -z "$past" ] || k annotate service parley parley/before-
}

install() {
    local there
    there=$(k get service parley --ignore-not-found --output name)
    [ -z "$there" ] \
        || die "It is installed already: switch.sh release $1" "已经安装:switch.sh release $1"
    k apply --filename "$here/parley.yaml"
    migrate "$1"
    of blue "$1" | k apply --filename -
    of green "$1" | k apply --filename -
    k rollout status deployment parley-blue --timeout "${timeout}s" \
        || die "blue did not become ready, and nobody reaches it yet: kubectl logs deployment/parley-blue; then install again." \
            "blue 未就绪,尚不对外提供服务:kubectl logs deployment/parley-blue;之后可再次 install。"
    k create --filename "$here/service.yaml"
    say "✓ blue serves: $1 · 现在由 blue 提供服务"
}

release() {
    local now next count
    now=$(live)  # each by itself: a command that failed among others would go unseen
    next=$(other "$now")
    count=$(replicas "$now")
    [ "$count" -gt 0 ] || die "$now has no processes: kubectl scale deployment parley-$now --replicas 2" "$now 没有进程。"
    migrate "$1"
    forget_before  # what stood there to go back to is overwritten now
    of "$next" "$1" | k replace --filename -
    ready "$next" "$count"
    point "$now" "$next"
    say "  Back: switch.sh back. When all is well: switch.sh finish · 回退:switch.sh back;确认无误后:switch.sh finish"
}

back() {
    local now past count
    now=$(live)
    past=$(before)
    [ -n "$past" ] && [ "$past" != "$now" ] || die "There is nothing to go back to." "没有可以回退的版本。"
    count=$(replicas "$now")
    ready "$past" "$count"
    point "$now" "$past"
}

finish() {
    local now idle
    now=$(live)
    idle=$(other "$now")
    k scale deployment "parley-$idle" --replicas 0
    say "✓ $idle ends · $idle 正在结束"
}

status() {
    local now colour mark
    now=$(live)
    for colour in blue green; do
        mark=" "
        [ "$colour" = "$now" ] && mark="*"
        say "$mark $colour  $(replicas "$colour")  $(image "$colour")"
    done
}

case "${1:-}" in
    install | release) [ -n "${2:-}" ] || die "Name the image: switch.sh $1 IMAGE" "请指定镜像。"; "$1" "$2" ;;
    back | finish | status) "$1" ;;
    *) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
