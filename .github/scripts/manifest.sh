#!/bin/sh
#
# Prints the manifest of a release: its version, where its files are, and the
# SHA-256 of each platform's binary. The installers in dist/ read it.
#
# usage: manifest.sh VERSION BASE DIRECTORY > dist/manifest.txt
#
#   VERSION    X.Y.Z
#   BASE       the address that a file's name follows, without a slash at its end
#   DIRECTORY  where the binaries are: agent-task-TARGET, with .exe on Windows

set -eu

die() {
	printf 'manifest: %s\n' "$*" >&2
	exit 1
}

[ $# = 3 ] || die "usage: manifest.sh VERSION BASE DIRECTORY > dist/manifest.txt"
version=$1 base=$2 directory=$3

# Both become parts of addresses and of paths on the users' machines.
printf '%s\n' "$version" | grep -Eqx '[0-9]+\.[0-9]+\.[0-9]+' || die "version: expected X.Y.Z, got $version"
printf '%s\n' "$base" | grep -Eqx 'https://[A-Za-z0-9.:/_-]*[A-Za-z0-9]' || die "base: expected an https address, got $base"

printf 'version %s\n' "$version"
printf 'base %s\n' "$base"
printf '# The SHA-256 of each binary, unpacked. The release workflow writes this file.\n'
# By the list and not by what the directory holds: a platform whose build got
# lost must stop the release.
sed -e '/^#/d' -e 's/ .*//' "$(dirname "$0")/../../dist/platforms.txt" | while read -r target; do
	file=$directory/agent-task-$target
	case $target in
	*-windows-*) file=$file.exe ;;
	esac
	[ -s "$file" ] || die "$file is missing"
	hash=$(sha256sum <"$file")
	printf '%s %s\n' "$target" "${hash%% *}"
done
