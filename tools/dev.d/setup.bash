# `tools/dev setup`: Debian packages, a Go toolchain, the real Kubernetes API server for the end-to-end tests, and
# CoreDNS to compare with. Sourced by tools/dev.

help_setup() {
  cat <<'HELP'
usage: tools/dev setup [--build]

Installs by apt-get the packages of tools/dev.d/packages.txt (no service is started or enabled), and builds
kube-apiserver, kubectl and etcd from their Go modules into $FAIRLEAD_CACHE/kube, and CoreDNS from its own into
$FAIRLEAD_CACHE/coredns, each once per version. The Go toolchain is the one on PATH if it is new enough, else Debian's
Go fetches a newer one as a module. Set KUBEBUILDER_ASSETS to a folder that holds the first three programs to use those
instead, FAIRLEAD_COREDNS to a CoreDNS program. With --build only what building needs is installed.
HELP
}

kube_module=$root/tests/e2e/apiserver
coredns_module=$root/tests/support/coredns

run_setup() {
  case ${1:-} in
    '') install_packages build test && build_kube && build_coredns ;;
    --build) install_packages build ;;
    *) fail "setup takes --build or nothing" ;;
  esac
}

# packages_of GROUP... prints the packages of these groups of packages.txt, or a name that is no group as it is.
packages_of() {
  local group
  for group in "$@"; do
    if grep -qx "\[$group\]" "$root/tools/dev.d/packages.txt"; then
      sed -n -e 's/#.*//' -e '/^\['"$group"'\]/,/^\[/{/^\[/d; /^[[:space:]]*$/d; p}' "$root/tools/dev.d/packages.txt"
    else
      echo "$group"
    fi
  done
}

# The installed packages themselves are asked, not a stamp that can outlive them: it costs 20 ms.
packages_missing() {
  comm -23 <(sort -u) <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | sed -n 's/^.i *//p' | sort -u)
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "installing packages needs root or sudo"
  fi
}

install_packages() { # GROUP OR PACKAGE...
  local missing
  missing=$(packages_of "$@" | packages_missing)
  [ -n "$missing" ] || return 0
  [ -r /etc/os-release ] && grep -q '^VERSION_CODENAME=bookworm' /etc/os-release ||
    say "tools/dev: this is not Debian 12; packages may have other names or versions here"
  # sudo asks for its password here, not behind a progress line.
  [ "$(id -u)" -eq 0 ] || as_root true
  step "apt-get: package lists" as_root apt-get update -q || return
  # shellcheck disable=SC2086
  step "apt-get: $(wc -w <<<"$missing") packages" apt_install $missing
}

# Debian starts a server as soon as it is installed; knot, unbound, nsd or dnsdist would take port 53 of a developer's
# machine, now or at the next boot. While apt runs, a policy file forbids starting; services that came new are disabled.
apt_install() {
  local policy=/usr/sbin/policy-rc.d placed='' units new status=0
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
    placed=1
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  units=$(service_units)
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0 "$@" || status=$?
  new=$(comm -13 <(echo "$units") <(service_units))
  if [ -n "$new" ] && command -v systemctl >/dev/null; then
    # shellcheck disable=SC2086
    as_root systemctl disable $new 2>/dev/null || true
  fi
  if [ -n "$placed" ]; then
    as_root rm -f $policy
    trap - EXIT
  fi
  return $status
}

service_units() { (cd /lib/systemd/system 2>/dev/null && ls -1 -- *.service 2>/dev/null | grep -E '^(knot|kres|unbound|nsd|dnsdist|dnsperf|etcd)' | sort) || true; }

kube_version() { sed -n 's/^\tk8s.io\/kubernetes \(v[0-9.]*\).*/\1/p' "$kube_module/go.mod"; }

# The folder of kube-apiserver, kubectl and etcd; its name changes with anything that they are made of.
kube_folder() {
  local digest
  digest=$(cd "$kube_module" && cat go.mod go.sum ./*/main.go | sha256sum | cut -c1-12)
  printf '%s/kube/%s-%s' "$FAIRLEAD_CACHE" "$(kube_version)" "$digest"
}

# kube_assets prints the folder that tests take the programs from.
kube_assets() { printf '%s' "${KUBEBUILDER_ASSETS:-$(kube_folder)}"; }

kube_complete() { [ -x "$1/kube-apiserver" ] && [ -x "$1/kubectl" ] && [ -x "$1/etcd" ]; }

build_kube() {
  local folder
  folder=$(kube_assets)
  kube_complete "$folder" && return 0
  [ -z "${KUBEBUILDER_ASSETS:-}" ] || fail "KUBEBUILDER_ASSETS=$folder does not hold kube-apiserver, kubectl and etcd"
  find_go || return
  step "go build: kube-apiserver, kubectl and etcd $(kube_version)" go_build_kube "$folder"
}

go_build_kube() {
  local folder=$1 version major minor stamp=k8s.io/component-base/version
  version=$(kube_version)
  IFS=. read -r major minor _ <<<"${version#v}"
  # Into a folder beside it first: a build that is interrupted must not look complete.
  cd "$kube_module" && mkdir -p "$folder.new" && "$go" mod download &&
    CGO_ENABLED=0 "$go" build -p "$jobs" -trimpath -o "$folder.new/" -ldflags "-s -w -X $stamp.gitVersion=$version \
      -X $stamp.gitMajor=$major -X $stamp.gitMinor=$minor -X $stamp.gitTreeState=clean" \
      ./etcd ./kubectl ./kube-apiserver &&
    rm -rf "$folder" && mv "$folder.new" "$folder"
}

coredns_version() { sed -n 's/^require github.com\/coredns\/coredns \(v[0-9.]*\)$/\1/p' "$coredns_module/go.mod"; }

# coredns_program prints the path of the CoreDNS that tests and benchmarks compare with.
coredns_program() {
  local digest
  digest=$(cd "$coredns_module" && cat go.mod go.sum main.go | sha256sum | cut -c1-12)
  printf '%s' "${FAIRLEAD_COREDNS:-$FAIRLEAD_CACHE/coredns/$(coredns_version)-$digest/coredns}"
}

build_coredns() {
  local program
  program=$(coredns_program)
  [ -x "$program" ] && return 0
  [ -z "${FAIRLEAD_COREDNS:-}" ] || fail "FAIRLEAD_COREDNS=$program is not a program"
  find_go || return
  step "go build: CoreDNS $(coredns_version)" go_build_coredns "$(dirname "$program")"
}

go_build_coredns() {
  local folder=$1
  cd "$coredns_module" && mkdir -p "$folder.new" && "$go" mod download &&
    CGO_ENABLED=0 "$go" build -p "$jobs" -trimpath -o "$folder.new/coredns" -ldflags "-s -w" . &&
    rm -rf "$folder" && mv "$folder.new" "$folder"
}

# find_go sets $go to a Go toolchain that satisfies tests/e2e/apiserver/go.mod; CoreDNS's names the same one.
#
# Debian 12's Go is 1.19, too old to build Kubernetes but able to fetch a newer toolchain, which the Go project
# publishes as a module. A module zip keeps no execute bits; they are set again here.
find_go() {
  local need toolchain arch fetched
  need=$(sed -n 's/^go \([0-9.]*\)$/\1/p' "$kube_module/go.mod")
  toolchain=$(sed -n 's/^toolchain go\([0-9.]*\)$/\1/p' "$kube_module/go.mod")
  export GOTOOLCHAIN=local
  if command -v go >/dev/null && go_is_at_least "$(go version)" "$need"; then
    go=go
    return 0
  fi
  arch=$(dpkg --print-architecture)
  go=$FAIRLEAD_CACHE/go/$toolchain/bin/go
  [ -x "$go" ] && return 0
  install_packages golang-1.19-go || return
  fetched=golang.org/toolchain@v0.0.1-go$toolchain.linux-$arch
  step "go: fetching toolchain $toolchain" fetch_toolchain "$fetched" "$FAIRLEAD_CACHE/go/$toolchain"
}

go_is_at_least() { # "go version go1.26.8 linux/amd64" 1.26.0
  local have
  have=$(sed -n 's/^go version go\([0-9.]*\).*/\1/p' <<<"$1")
  [ -n "$have" ] && [ "$(printf '%s\n' "$have" "$2" | sort -V | head -n 1)" = "$2" ]
}

fetch_toolchain() {
  local module=$1 folder=$2 modules status=0
  modules=$(mktemp -d "${TMPDIR:-/tmp}/fairlead-go.XXXXXX") || return
  (cd "$modules" && GOMODCACHE=$modules GOFLAGS=-modcacherw /usr/lib/go-1.19/bin/go mod download "$module") &&
    chmod +x "$modules/$module"/bin/* "$modules/$module"/pkg/tool/*/* &&
    mkdir -p "$(dirname "$folder")" && rm -rf "$folder" && mv "$modules/$module" "$folder" || status=$?
  rm -rf "$modules"
  return $status
}
