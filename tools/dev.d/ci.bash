# `tools/dev ci`: everything that must hold before a change lands. Sourced by tools/dev.

help_ci() {
  cat <<'HELP'
usage: tools/dev ci

Setup, every test of the release build, formatting, the demo, the unit, scenario and e2e tests with AddressSanitizer and
UndefinedBehaviorSanitizer, the unit tests and everything at once with ThreadSanitizer, and a short run of every fuzz
target. A skipped test is a failure. Times of all stages are printed; the last line counts the tests.
HELP
}

run_ci() {
  [ $# -eq 0 ] || fail "ci takes no arguments"
  export CI=true
  local failed=0
  # A stage that fails ends nothing but what needs it: one run shows all that is wrong.
  if stage "setup" run_setup; then
    stage "format" run_format --check || failed=1
    stage "build release" build_preset release && { stage "test release" run_ctest release || failed=1; } || failed=1
    stage "demo" run_demo --once || failed=1
    stage "build asan" build_preset asan &&
      { stage "test asan" run_ctest asan -L '^(unit|scenario|e2e)$' || failed=1; } || failed=1
    stage "build tsan" build_for_tsan &&
      { stage "test tsan" run_ctest tsan -L '^(unit|stress)$' || failed=1; } || failed=1
    stage "build fuzz" build_fuzzers && { stage "test fuzz" run_ctest fuzz -L '^fuzz$' || failed=1; } || failed=1
  else
    failed=1
  fi
  say "=== times"
  table
  if [ "$tests_skipped" -gt 0 ]; then failed=1; fi
  if [ $failed -ne 0 ] && [ "$tests_failed" -eq 0 ]; then tests_failed=1; fi
  say "$tests_passed passed, $tests_failed failed, $tests_skipped skipped"
  return $failed
}

# The server, the simulator that it reads, and the unit tests: the other tests have one thing happen at a time.
build_for_tsan() {
  configure_preset tsan || return
  # shellcheck disable=SC2046
  build_preset tsan fairlead kubesim $(targets_of tsan 'unit_[a-z0-9_]*')
}

# Only the fuzz targets: the rest of the fuzz preset is the same code compiled by another compiler.
build_fuzzers() {
  configure_preset fuzz || return
  local targets
  targets=$(targets_of fuzz 'fuzz_[a-z0-9_]*')
  [ -n "$targets" ] || { say "the fuzz preset has no targets"; return 1; }
  # shellcheck disable=SC2086
  build_preset fuzz $targets
}

# targets_of PRESET PATTERN: the names of the targets that match, from the configured build.
targets_of() { ninja -C "build/$1" -t targets all | sed -n "s/^\($2\): phony\$/\1/p"; }
