#!/bin/sh
#
# Checks that the tree is ready to be released as a version: Cargo.toml and both
# lock files have it, and the change log has a section for it. Prints that
# section, as the release's notes.
#
# usage: check-version.sh VERSION [DIRECTORY]
#
# With `--any-notes` before VERSION, the section "Unreleased" will do: this is
# how a dry run goes through before the change log has been closed.

set -eu

die() {
	printf 'check-version: %s\n' "$*" >&2
	exit 1
}

unreleased=
if [ "${1-}" = --any-notes ]; then
	unreleased=Unreleased
	shift
fi
[ $# = 1 ] || [ $# = 2 ] || die "usage: check-version.sh [--any-notes] VERSION [DIRECTORY]"
version=$1
cd "${2:-$(dirname "$0")/../..}"

case $version in
*[!0-9.]* | *.*.*.* | .* | *. | *..* | 0[0-9]* | *.0[0-9]*) die "\`$version\` is not a version: it must be X.Y.Z" ;;
*.*.*) ;;
*) die "\`$version\` is not a version: it must be X.Y.Z" ;;
esac

# The version of the package agent-task itself, and of no dependency.
version_in() {
	awk -v section="$2" '
		/^\[/ { inside = ($0 == section); name = "" }
		inside && /^name = / { name = $3 }
		inside && /^version = / { version = $3 }
		inside && name == "\"agent-task\"" && version != "" { gsub(/"/, "", version); print version; exit }
		/^$/ { version = "" }
	' "$1"
}
manifest=$(version_in Cargo.toml '[package]')
[ "$manifest" = "$version" ] || die "Cargo.toml has version ${manifest:-(none)}, not $version"
for folder in . tests/fuzz; do
	lock=$(version_in "$folder/Cargo.lock" '[[package]]')
	[ "$lock" = "$version" ] || die "$folder/Cargo.lock has version ${lock:-(none)}, not $version; run" \
		"\`cargo update --workspace --manifest-path $folder/Cargo.toml\`"
done

notes() {
	awk -v version="$1" '
		/^## / { inside = ($2 == version || $2 == "[" version "]"); next }
		inside { print }
	' CHANGELOG.md | sed -e '/./,$!d'
}
text=$(notes "$version")
if [ -z "$text" ] && [ -n "$unreleased" ]; then
	text=$(notes "$unreleased")
fi
[ -n "$text" ] || die "CHANGELOG.md has no section \`## $version\` with anything in it"
printf '%s\n' "$text"
