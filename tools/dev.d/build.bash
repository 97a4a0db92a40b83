# `tools/dev build`, `test`, `bench` and `demo`. Sourced by tools/dev.

help_build() {
  cat <<'HELP'
usage: tools/dev build [PRESET [TARGET...]]

Configures and builds a preset of CMakePresets.json into build/PRESET (default: release; also dev, asan, tsan, fuzz).
Programs stand in build/PRESET/bin.
HELP
}

help_test() {
  cat <<'HELP'
usage: tools/dev test [PRESET] [-- CTEST ARGUMENTS]

Sets up, builds and runs ctest for a preset (default: release). What is skipped is listed at the end with its reason;
with CI=true a skip is a failure.

  tools/dev test -- -L unit           only the unit tests
  tools/dev test asan -- -R e2e       tests whose name matches e2e, with AddressSanitizer
  tools/dev test -- -N                what there is
HELP
}

help_bench() {
  cat <<'HELP'
usage: tools/dev bench [ARGUMENTS]
       tools/dev bench compare [ARGUMENTS]
       tools/dev bench forward [ARGUMENTS]
       tools/dev bench sync [ARGUMENTS]
       tools/dev bench cache
       tools/dev bench instructions [--record | --profile PATH]

Builds the release preset and hands the arguments to tests/bench/run: what a query costs, or with `sync`, what it
costs to stay in step with a large cluster, CoreDNS beside Fairlead. With `compare` it is tests/bench/compare: query
serving in all cases, beside five other servers. With `forward` it is tests/bench/forward: misses, dead and slow
upstreams, DNS over TLS. With `cache` it writes tests/bench/reports/cache-eviction.md: what the cache has,
beside other ways to evict and the optimum. With `instructions` it is tests/instructions/run: instructions per
query, as callgrind counts them.
HELP
}

help_demo() {
  cat <<'HELP'
usage: tools/dev demo [--once]

Builds the programs (release), starts a simulated cluster with the server in front of it, and asks it some questions.
With --once it ends there; without, it stays until Ctrl-C so that you can ask your own.
HELP
}

presets=(release dev asan tsan fuzz)

check_preset() {
  local preset
  for preset in "${presets[@]}"; do [ "$1" = "$preset" ] && return 0; done
  fail "no preset '$1'; there are: ${presets[*]}"
}

# Another checkout of the same sources (CI's fresh clone) finds what this one compiled: paths below the checkout
# are made relative before they are hashed.
export CCACHE_DIR=${CCACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ccache}
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-5G}

run_build() {
  local preset=${1:-release}
  [ $# -eq 0 ] || shift
  check_preset "$preset"
  install_packages build || return
  if [ "$preset" = fuzz ]; then install_packages test || return; fi
  build_preset "$preset" "$@"
}

configure_preset() {
  local preset=$1
  # CMake does not notice a folder that gets its first CMakeLists.txt.
  if [ ! -f "build/$preset/build.ninja" ] ||
    [ -n "$(find . -path ./build -prune -o -name CMakeLists.txt -newer "build/$preset/build.ninja" -print -quit)" ]; then
    step "cmake: configuring $preset" cmake --preset "$preset"
  fi
}

build_preset() { # PRESET [TARGETS...]
  local preset=$1 output begin=$SECONDS targets=()
  shift
  [ $# -eq 0 ] || targets=(--target "$@")
  configure_preset "$preset" || return
  # Nothing to do is the common case and stays silent.
  if output=$(ninja -C "build/$preset" -n "$@" 2>/dev/null) && grep -q 'no work to do' <<<"$output"; then
    return 0
  fi
  if [ -t 1 ]; then
    cmake --build --preset "$preset" -j "$jobs" "${targets[@]}" || return
    say "$(minutes $((SECONDS - begin)))  build: $preset"
  else
    step "build: $preset" cmake --build --preset "$preset" -j "$jobs" "${targets[@]}"
  fi
}

run_test() {
  local preset=release
  if [ $# -gt 0 ] && [ "$1" != -- ]; then
    preset=$1
    shift
  fi
  [ "${1:-}" = -- ] && shift
  check_preset "$preset"
  run_setup || return
  build_preset "$preset" || return
  run_ctest "$preset" "$@"
}

# run_ctest PRESET CTEST-ARGUMENTS... keeps its output, so that what was skipped can be listed after it, and counts
# for the closing line of `ci`.
tests_passed=0
tests_failed=0
tests_skipped=0
run_ctest() {
  local preset=$1 log status=0 wrapper=()
  shift
  log=build/$preset/test.log
  # TSan of g++ 12 cannot map its shadow where the kernel randomises addresses over 32 bits.
  if [ "$preset" = tsan ] && setarch "$(uname -m)" -R true 2>/dev/null; then wrapper=(setarch "$(uname -m)" -R); fi
  KUBEBUILDER_ASSETS=$(kube_assets) FAIRLEAD_COREDNS=$(coredns_program) "${wrapper[@]}" \
    ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$jobs" "$@" 2>&1 </dev/null |
    tee "$log" || status=$?
  count_tests "$log"
  list_skipped "$preset" "$log"
  return $status
}

count_tests() {
  local passed skipped failed
  passed=$(grep -cE '^ *[0-9]+/[0-9]+ Test .* Passed ' "$1" || true)
  skipped=$(grep -cE '^ *[0-9]+/[0-9]+ Test .*\*\*\*Skipped' "$1" || true)
  failed=$(grep -cE '^ *[0-9]+/[0-9]+ Test .*(\*\*\*(Failed|Timeout|Exception|Not Run)|Subprocess)' "$1" || true)
  tests_passed=$((tests_passed + passed))
  tests_skipped=$((tests_skipped + skipped))
  tests_failed=$((tests_failed + failed))
}

# The reasons stand in ctest's own log, because a test that passes or is skipped prints nothing above.
list_skipped() {
  local preset=$1 reasons
  reasons=$(sed -n 's/^SKIPPED \(.*\)/  \1/p' "build/$preset/Testing/Temporary/LastTest.log" 2>/dev/null | sort -u)
  [ -z "$reasons" ] || printf 'Skipped, and why:\n%s\n' "$reasons"
}

run_bench() {
  [ -x tests/bench/run ] || fail "there is no tests/bench/run yet"
  case ${1:-} in
    instructions)
      shift
      install_packages build test && build_preset release query_paths || return
      exec tests/instructions/run "$@"
      ;;
    cache)
      install_packages build && build_preset release cache_eviction || return
      build/release/bin/cache_eviction | tee tests/bench/reports/cache-eviction.md
      return
      ;;
    compare)
      shift
      run_setup && build_preset release fairlead kubesim udp_reflector || return
      exec tests/bench/compare "$@"
      ;;
    forward)
      shift
      run_setup && build_preset release fairlead kubesim || return
      exec tests/bench/forward "$@"
      ;;
  esac
  install_packages build test && build_preset release || return
  if [ "${1:-}" = sync ]; then
    build_coredns || return
    FAIRLEAD_COREDNS=$(coredns_program)
    export FAIRLEAD_COREDNS
  fi
  exec tests/bench/run "$@"
}

# The demo is a script of its own: tools/dev.d/demo, started in the checkout with the release build made.
run_demo() {
  [ -x tools/dev.d/demo ] || fail "there is no tools/dev.d/demo yet"
  # What it shows needs an upstream and dig, but not what the tests need.
  install_packages build unbound bind9-dnsutils && build_preset release fairlead fairleadctl kubesim || return
  tools/dev.d/demo "$@"
}
