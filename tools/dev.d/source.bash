# `tools/dev format` and `tidy`. Sourced by tools/dev.

help_format() {
  cat <<'HELP'
usage: tools/dev format [--check]

Formats every C++ file with clang-format 19 and .clang-format. With --check nothing is written, and what is not
formatted is shown and fails.
HELP
}

help_tidy() {
  cat <<'HELP'
usage: tools/dev tidy [FILE...]

Runs clang-tidy 19 with .clang-tidy over the given sources, or all, with the dev preset's commands.
HELP
}

cpp_files() { # PATTERN...
  local folder folders=() names=()
  for folder in zones resolver k8s server tools tests; do [ -d "$folder" ] && folders+=("$folder"); done
  for folder in "$@"; do names+=(-o -name "$folder"); done
  find "${folders[@]}" -type f \( "${names[@]:1}" \) -print0 | sort -z
}

run_format() {
  install_packages build test || return
  case ${1:-} in
    '') cpp_files '*.cpp' '*.hpp' | xargs -0 -r -n 20 -P "$jobs" clang-format-19 -i ;;
    --check)
      cpp_files '*.cpp' '*.hpp' | xargs -0 -r -n 20 -P "$jobs" clang-format-19 --dry-run -Werror ||
        { say "the files above are not formatted; tools/dev format does it"; return 1; }
      ;;
    *) fail "format takes --check or nothing" ;;
  esac
}

run_tidy() {
  install_packages build test || return
  [ -f build/dev/compile_commands.json ] || step "cmake: configuring dev" cmake --preset dev
  local files=("$@")
  [ ${#files[@]} -gt 0 ] || mapfile -d '' -t files < <(cpp_files '*.cpp')
  # Only what is compiled has a command; the commands are g++'s, whose extra warnings clang does not know.
  local compiled=() file
  for file in "${files[@]}"; do
    grep -qF "\"$root/${file#"$root/"}\"" build/dev/compile_commands.json && compiled+=("$file")
  done
  [ ${#compiled[@]} -gt 0 ] || fail "none of these files is part of the dev build"
  printf '%s\0' "${compiled[@]}" | xargs -0 -n 1 -P "$jobs" clang-tidy-19 -p build/dev --quiet \
    --warnings-as-errors='*' --extra-arg=-Wno-unknown-warning-option 2> >(grep -v 'warnings generated' >&2)
}
