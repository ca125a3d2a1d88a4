#!/usr/bin/env bash
# Installs and builds what is missing or no longer what the sources say, starts token-refresher in the background, and
# waits for its first cycle. Settings: TOKEN_REFRESH_INTERVAL, TOKEN_EXPIRY_BUFFER, LOG_LEVEL and the others of the
# README; arguments are handed on. The project root is --root DIR, else TOKEN_REFRESHER_ROOT, else the repository this
# script is in. In the background nobody reads standard error, so that a log file of - is none at all.
# Exit codes: 0 started, 1 not started (the reason is said), 3 an instance is running already.
set -euo pipefail
# With it, `cd` may go elsewhere, and says where.
unset CDPATH

fail() {
  echo "start_token_refresher: $1" >&2
  exit "${2:-1}"
}

script=${BASH_SOURCE[0]}
while [ -L "$script" ]; do
  folder=$(cd -P -- "$(dirname -- "$script")" && pwd)
  script=$(readlink -- "$script")
  case $script in /*) ;; *) script=$folder/$script ;; esac
done
repository=$(cd -P -- "$(dirname -- "$script")/.." && pwd)
program=$repository/dist/main.cjs

command -v node >/dev/null || fail "Node.js 20.19 or later is needed; see https://nodejs.org"
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
  fail "Node.js 20.19 or later is needed; this is $(node --version)"

root=${TOKEN_REFRESHER_ROOT:-$repository}
log=
logging=()
stays=yes
arguments=()
while [ $# -gt 0 ]; do
  case $1 in
  # The program runs in its root, which a relative one would be looked for in.
  --root=*) root=${1#*=} ;;
  --root)
    [ $# -gt 1 ] || fail "--root needs a value"
    root=$2
    shift
    ;;
  --log-file=*) log=${1#*=} ;;
  --log-file)
    [ $# -gt 1 ] || fail "--log-file needs a value"
    log=$2
    shift
    ;;
  --once | --dry-run | --help | --version) stays=no arguments+=("$1") ;;
  *) arguments+=("$1") ;;
  esac
  shift
done
[ -n "$root" ] || fail "--root needs a value"
[ -d "$root" ] || fail "the project root $root is not a folder"
root=$(cd -- "$root" && pwd)

# `install`, `build` or nothing. An installed package has no sources, and nothing to build.
needed=
if [ ! -d "$repository/src" ]; then
  [ -f "$program" ] || fail "$program is missing; install the package again"
elif [ ! -f "$program" ]; then
  needed=build
else
  needed=$(node "$repository/scripts/build-id.mjs")
fi
[ -z "$needed" ] || [ -d "$repository/node_modules" ] || needed=install
if [ -n "$needed" ]; then
  # `npm ci` builds, too.
  if [ "$needed" = install ]; then build=(npm ci); else build=(npm run build); fi
  said=$(mktemp)
  trap 'rm -f "$said"' EXIT
  printf '%s' "${build[*]}, which may take a minute or two ..." >&2
  (cd -- "$repository" && "${build[@]}") >"$said" 2>&1 </dev/null &
  building=$!
  seconds=0
  while kill -0 "$building" 2>/dev/null; do
    sleep 1
    seconds=$((seconds + 1))
    # A dot a second for a person; for a file, one line now and then.
    if [ -t 2 ]; then printf . >&2; elif [ $((seconds % 15)) = 0 ]; then printf '\n%s' "  ... $seconds s" >&2; fi
  done
  if ! wait "$building"; then
    echo " failed" >&2
    tail -n 20 "$said" >&2
    fail "${build[*]} failed"
  fi
  echo " done in $seconds s" >&2
  rm -f "$said"
fi

# As the daemon will read it: the flag, the environment, the root's .env.
[ -z "$log" ] || logging=(--log-file "$log")
# shellcheck disable=SC2016 # the dollar is JavaScript's
[ -n "$log" ] || log=$(node -e '
  try {
    process.loadEnvFile(`${process.argv[1]}/.env`);
  } catch {}
  console.log(process.env.LOG_FILE ?? "");
' "$root")
case ${log:=token_refresher.log} in
-)
  # Standard error would be a file that nobody can see, and that grows; what ends by itself is shown at its end.
  [ "$stays" = no ] || logging=(--log-file /dev/null)
  shown='none (the log file is -)'
  ;;
/*) shown=$log ;;
*) shown=$root/$log ;;
esac

# What the daemon notes of its last cycle, in lines for people; fails while the note is another process's.
# shellcheck disable=SC2016 # the dollars are JavaScript's
summary() {
  node -e '
    const { readFileSync } = require("fs");
    const [, file, pid, log] = process.argv;
    const note = JSON.parse(readFileSync(file));
    if (note.pid !== Number(pid)) process.exit(1);
    console.log(`  log:      ${log}`);
    console.log(`  found:    ${note.tokens} tokens, ${note.servers.length} servers (${note.servers.join(", ")})`);
    console.log(`  configs:  ${note.outputs.map(({ path }) => path).join(", ")}`);
    for (const { key, reason } of note.left_out) console.log(`  without:  ${key}: ${reason}`);
    if (note.problems > 0) console.log(`  problems: ${note.problems}; see them with: token-refresher validate`);
  ' "$root/.token-refresher/last-cycle.json" "$1" "$shown" 2>/dev/null
}
running_pid() {
  node "$program" status --json --root "$root" 2>/dev/null |
    node -e 'console.log(JSON.parse(require("fs").readFileSync(0)).instance.pid ?? "")' 2>/dev/null || true
}

replace=()
pid=$(running_pid)
if [ -n "$pid" ]; then
  echo "token-refresher is running for $root already, PID $pid." >&2
  [ -t 0 ] || exit 3
  read -r -p "Replace it? [y/N] " answer
  case $answer in [yY]*) replace=(--replace) ;; *) exit 3 ;; esac
fi

said=$(mktemp)
trap 'rm -f "$said"' EXIT
if command -v setsid >/dev/null; then detach=(setsid); else detach=(nohup); fi
cd -- "$root"
"${detach[@]}" node "$program" run --root "$root" ${logging[@]+"${logging[@]}"} ${replace[@]+"${replace[@]}"} \
  ${arguments[@]+"${arguments[@]}"} </dev/null >"$said" 2>&1 &
child=$!

# The first cycle is the program's to bound; this only gives up on one that is stuck.
for _ in $(seq 1 600); do
  if ! kill -0 "$child" 2>/dev/null; then
    code=0
    wait "$child" || code=$?
    cat "$said" >&2
    [ "$code" = 3 ] && exit 3
    [ "$code" = 0 ] && exit 0 # --help, --once and the like have done what they are for
    fail "it ended with exit code $code; see the log" 1
  fi
  if found=$(summary "$child"); then
    echo "token-refresher started, PID $child, for $root"
    echo "$found"
    printf '  stop:     node %q stop --root %q\n' "$program" "$root"
    exit 0
  fi
  sleep 0.1
done
fail "no cycle has ended within a minute; see the log" 1
