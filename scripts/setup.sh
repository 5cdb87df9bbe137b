#!/usr/bin/env bash
# Makes .venv (the package and all that its development needs) and installs what is missing of Java, Prometheus,
# Alertmanager and Chromium from the system's packages, without their services. Does nothing when all is there.
# Needs Python 3.10 or later; for system packages, apt (Debian, Ubuntu) and root or sudo.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else fail "'$*' needs root; run it as root once, then 'make setup' again"
  fi
}

updated=
apt_update() {
  command -v apt-get >/dev/null || fail "there is no apt-get here; install $1 yourself, then 'make setup' again"
  [ -n "$updated" ] || { say "reading the package lists"; as_root apt-get update -qq; updated=1; }
}

apt_install() {
  apt_update "$*"
  say "installing $*"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

python=${PYTHON:-python3}
command -v "$python" >/dev/null || apt_install python3
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
  fail "$("$python" --version) is too old; Python 3.10 or later is needed (PYTHON=python3.11 make setup)"

# What this script makes is good until one of these files changes.
stamp=".venv/.setup-$(cat pyproject.toml constraints.txt scripts/setup.sh handlers/torchvitals/_version.py | sha256sum | cut -c1-16)"
if [ ! -e "$stamp" ]; then
  if [ ! -x .venv/bin/python ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
      apt_install "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    rm -rf .venv
    "$python" -m venv .venv
  fi
  say "installing Python packages into .venv (a few minutes the first time)"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
    --group dev --editable '.[cli,labels,prometheus,ray,report,serve,up]'
  touch "$stamp"
fi

java_works() { command -v java >/dev/null && java -version >/dev/null 2>&1; }
java_works || apt_install default-jre-headless
java_works || fail "Java does not start; TorchServe needs Java 11 or later"

# Debian calls the program prometheus-alertmanager; other sources call it alertmanager. Programs of your own may lie
# in .tools/bin instead.
has() { local name; for name in "$@"; do command -v "$name" >/dev/null || [ -x ".tools/bin/$name" ] && return 0; done; return 1; }

# Debian's packages start a service of their own on all addresses; here only the programs are wanted.
install_without_service() {
  local guard=/usr/sbin/policy-rc.d made=
  if [ ! -e "$guard" ]; then printf '#!/bin/sh\nexit 101\n' | as_root tee "$guard" >/dev/null; as_root chmod +x "$guard"; made=1; fi
  apt_install "$1" || { [ -z "$made" ] || as_root rm -f "$guard"; fail "$1 could not be installed"; }
  [ -z "$made" ] || as_root rm -f "$guard"
  ! command -v systemctl >/dev/null || as_root systemctl disable --quiet "$1" 2>/dev/null || true
}
# `torchvitals report --png` and the tests that open its page.
has chromium || apt_install chromium
{ has prometheus && has promtool; } || install_without_service prometheus
{ has prometheus-alertmanager alertmanager && has amtool; } || install_without_service prometheus-alertmanager
