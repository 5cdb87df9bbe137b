#!/usr/bin/env bash
# Brings programs that some tests alone use into .tools/bin: of Debian's next release, Prometheus 3's promtool
# (promtool-3) and VictoriaMetrics's vmalert (vmalert-next) and vmalert-tool; of the release that this machine runs, its
# vmalert (vmalert-own). They are unpacked and not installed; apt checks the archive's signature and each package's
# SHA-256. PostgreSQL, of the release that this machine runs, is installed as a program without a database or a service
# of its own. Where that is not possible it says so in a line, and the tests are skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

release=forky
bin=$PWD/.tools/bin

say() { printf 'test tools: %s\n' "$*" >&2; }
skip() { say "$*; tests that need it are skipped"; exit 0; }
has() { local tool; for tool in "$@"; do [ -x "$bin/$tool" ] || return 1; done; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
install_postgresql() {
  local kept=/etc/postgresql-common/createcluster.d/torchvitals.conf
  command -v apt-get >/dev/null || return 1
  # Its package makes a database of its own unless it is told not to.
  as_root mkdir -p "${kept%/*}" && echo 'create_main_cluster = false' | as_root tee "$kept" >/dev/null || return 1
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
}
if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && ! command -v initdb >/dev/null; then
  say "installing postgresql"
  install_postgresql 2>/dev/null || say "PostgreSQL cannot be installed; tests that need it are skipped"
fi

! has promtool-3 vmalert-next vmalert-tool vmalert-own || exit 0

{ command -v apt-get && command -v dpkg-deb; } >/dev/null ||
  skip "there is no apt here to bring Prometheus 3's promtool and VictoriaMetrics's vmalert"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keys" ] || skip "Debian's keys ($keys) are not on this machine"
# From where this machine has its own packages.
mirror=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(SITE)' 'Created-By: Packages' 2>/dev/null |
  sed -n 's/^Debian Debian //p' | head -n 1) || true
[ -n "$mirror" ] || skip "this machine has no Debian mirror, or 'apt-get update' has not run"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT  # subshells do not inherit it
mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" "$bin"
printf 'deb [signed-by=%s] %s %s main\n' "$keys" "$mirror" "$release" >"$folder/sources.list"
of_own_release() { apt-get -qq -o APT::Sandbox::User= -o Acquire::Retries=2 "$@"; }
of_next_release() {
  of_own_release -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$folder/lists" -o Dir::Cache="$folder/cache" -o Acquire::Languages=none \
    -o APT::Update::Error-Mode=any "$@"
}

# A release, a package, then each program and the name that it gets.
unpack() {
  local whose=$1 package=$2 place="$folder/$1/$2" pair
  shift 2
  mkdir -p "$place"
  say "unpacking $package of Debian's $whose release into .tools/bin"
  (cd "$place" && "of_${whose}_release" download "$package") >"$folder/log" 2>&1 ||
    skip "$package of Debian's $whose release cannot be fetched: $(tail -n 1 "$folder/log")"
  dpkg-deb -x "$place/${package}"_*.deb "$place" || skip "$package cannot be unpacked"
  for pair in "$@"; do
    "$place/usr/bin/${pair%%:*}" --help >/dev/null 2>&1 ||
      skip "${pair%%:*} of Debian's $whose release does not run here"
    mv "$place/usr/bin/${pair%%:*}" "$bin/${pair#*:}"
  done
}
# In a shell of its own: without it, the others are still of use.
has vmalert-own || (unpack own victoria-metrics vmalert:vmalert-own)
! has promtool-3 vmalert-next vmalert-tool || exit 0
of_next_release update >"$folder/log" 2>&1 ||
  skip "the package lists of Debian $release cannot be read: $(tail -n 1 "$folder/log")"
has promtool-3 || (unpack next promtool promtool:promtool-3)
has vmalert-next vmalert-tool || (unpack next victoria-metrics vmalert:vmalert-next vmalert-tool:vmalert-tool)
