# Long work, told while it happens: what runs, for how long, and its last words when it fails.
# Sourced by tools/dev.

jobs=${FAIRLEAD_JOBS:-$(nproc)}
step_names=()
step_seconds=()

say() { printf '%s\n' "$*"; }
fail() { printf 'tools/dev: %s\n' "$*" >&2; exit 1; }

minutes() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# step TITLE COMMAND... runs a command with its output in a log. On a terminal one line shows the elapsed time and
# the newest line of output; elsewhere a line every half minute shows that it is alive. The log is printed on failure.
# The command runs in a process of its own, so it may change directory. Callers check the status: `set -e` does not
# work inside of functions whose status is looked at.
step() {
  local title=$1 begin=$SECONDS log status=0 pid last
  shift
  if [ -n "${VERBOSE:-}" ]; then
    say "--- $title"
    "$@" </dev/null &
    wait $! || status=$?
  else
    log=$(mktemp "${TMPDIR:-/tmp}/fairlead-step.XXXXXX")
    [ -t 1 ] || say "--- $title"
    "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    local next=30
    while kill -0 "$pid" 2>/dev/null; do
      if [ -t 1 ]; then
        last=$(tail -c 400 "$log" | tr '\r' '\n' | sed '/^$/d' | tail -n 1 | cut -c1-$((${COLUMNS:-100} - 40)))
        printf '\r\033[K%s  %s  %s' "$(minutes $((SECONDS - begin)))" "$title" "$last"
      elif [ $((SECONDS - begin)) -ge $next ]; then
        last=$(tail -c 400 "$log" | tr '\r' '\n' | sed '/^$/d' | tail -n 1 | cut -c1-120)
        say "    $(minutes $((SECONDS - begin)))  $last"
        next=$((SECONDS - begin + 30))
      fi
      sleep 0.2
    done
    wait "$pid" || status=$?
    [ -t 1 ] && printf '\r\033[K'
    if [ $status -ne 0 ]; then
      say "$title: failed with status $status after $(minutes $((SECONDS - begin))); its last output:"
      tail -n "${FAIRLEAD_LOG_LINES:-100}" "$log" | sed 's/^/    /'
    fi
    rm -f "$log"
  fi
  [ $status -eq 0 ] && say "$(minutes $((SECONDS - begin)))  $title"
  return $status
}

# stage NAME COMMAND... runs a part of `ci` with its output shown, and remembers how long it took.
stage() {
  local name=$1 begin=$SECONDS status=0
  shift
  say "=== $name"
  "$@" || status=$?
  step_names+=("$name$([ $status -eq 0 ] || echo ' (failed)')")
  step_seconds+=($((SECONDS - begin)))
  return $status
}

# table prints the stages and their times.
table() {
  local i
  for i in "${!step_names[@]}"; do
    printf '  %6s  %s\n' "$(minutes "${step_seconds[$i]}")" "${step_names[$i]}"
  done
}
