#!/usr/bin/env bash
# Builds wheel and sdist into dist/ and checks both: their metadata, that the wheel that the sdist makes has the same
# files, that the command runs where nothing else is installed, and that CHANGELOG.md and the tag speak of this version.
# It publishes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"

fail() { printf 'release: %s\n' "$*" >&2; exit 1; }

version=$(python -c 'from torchvitals import __version__; print(__version__)')
# A tag is there when a release is made; without one this is a dry run.
tag=${GITHUB_REF_NAME:-}
if [ "${GITHUB_REF_TYPE:-}" = tag ]; then
  [ "$tag" = "v$version" ] || fail "the tag is $tag, and handlers/torchvitals/_version.py says $version"
  grep -q "^## \[$version\]" CHANGELOG.md || fail "CHANGELOG.md has no section [$version]"
fi

rm -rf dist
python -m build --outdir dist . >/dev/null
twine check --strict dist/*

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/sdist"
tar -xzf dist/*.tar.gz -C "$folder/sdist" --strip-components 1
python -m build --wheel --outdir "$folder/again" "$folder/sdist" >/dev/null
files() { python -m zipfile --list "$1" | awk 'NR > 1 && $1 !~ /\.dist-info\// {print $1}' | sort; }
files dist/*.whl >"$folder/files"
files "$folder"/again/*.whl | diff "$folder/files" - || fail "the sdist makes another wheel than the repository"

python -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$(echo dist/*.whl)[cli]"
cd "$folder"
"$folder/venv/bin/torchvitals" --help >/dev/null || fail "the installed command does not run"
printf 'release: %s is good\n' "$version"
