# `tools/dev ci`: everything that must hold before a change lands. Sourced by tools/dev.

help_ci() {
  cat <<'HELP'
usage: tools/dev ci

Setup, every test of the release build, formatting, the unit, scenario and e2e tests with AddressSanitizer and
UndefinedBehaviorSanitizer, and a short run of every fuzz target. A skipped test is a failure. Times of all stages are
printed; the last line counts the tests.
HELP
}

# How long each fuzz target runs; a nightly run would give them hours.
fuzz_seconds=${FAIRLEAD_FUZZ_SECONDS:-20}

run_ci() {
  [ $# -eq 0 ] || fail "ci takes no arguments"
  export CI=true
  local failed=0
  # A stage that fails ends nothing but what needs it: one run shows all that is wrong.
  if stage "setup" run_setup; then
    stage "format" run_format --check || failed=1
    stage "build release" build_preset release && { stage "test release" run_ctest release || failed=1; } || failed=1
    stage "build asan" build_preset asan &&
      { stage "test asan" run_ctest asan -L '^(unit|scenario|e2e)$' || failed=1; } || failed=1
    stage "build fuzz" build_preset fuzz && { stage "fuzz" run_fuzzers || failed=1; } || failed=1
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

# Every program build/fuzz/bin/*_fuzz runs over its own corpus (tests/fuzz/corpus/NAME, where there is one) and then
# searches on for a short while. Its findings stay in build/fuzz/findings.
run_fuzzers() {
  local program name corpus status=0 found=0
  mkdir -p build/fuzz/findings
  for program in build/fuzz/bin/*_fuzz; do
    [ -x "$program" ] || continue
    found=1
    name=$(basename "$program")
    mkdir -p "build/fuzz/corpus/$name"
    corpus=("build/fuzz/corpus/$name")
    [ -d "tests/fuzz/corpus/${name%_fuzz}" ] && corpus+=("tests/fuzz/corpus/${name%_fuzz}")
    if step "fuzz: $name for $fuzz_seconds s" "$program" -max_total_time="$fuzz_seconds" -timeout=10 -rss_limit_mb=2048 \
      -artifact_prefix=build/fuzz/findings/"$name"- "${corpus[@]}"; then
      tests_passed=$((tests_passed + 1))
    else
      tests_failed=$((tests_failed + 1))
      status=1
    fi
  done
  [ $found -eq 1 ] || say "no fuzz targets are built yet"
  return $status
}
