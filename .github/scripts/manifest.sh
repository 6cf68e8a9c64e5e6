#!/bin/sh
#
# Prints the manifest of a release: its version, where its files are, and the
# SHA-256 of each platform's binary. dist/install.sh reads it.
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
case $version in
*[!0-9.]* | *.*.*.* | .* | *. | *..*) die "\`$version\` is no version: it must be X.Y.Z" ;;
*.*.*) ;;
*) die "\`$version\` is no version: it must be X.Y.Z" ;;
esac
case $base in
*[!A-Za-z0-9.:/_-]* | */) die "\`$base\` is no base address" ;;
https://*) ;;
*) die "\`$base\` must begin with https://" ;;
esac

if command -v sha256sum >/dev/null; then
	hasher=sha256sum
else
	hasher='shasum -a 256'
fi

printf 'version %s\n' "$version"
printf 'base %s\n' "$base"
printf '# Each line below is a platform: TARGET SHA256 FILE. The release workflow writes this file, nobody else does.\n'
# The list is here and not what the directory happens to hold: a platform whose
# build got lost must stop the release.
for target in \
	x86_64-unknown-linux-musl \
	aarch64-unknown-linux-musl \
	x86_64-apple-darwin \
	aarch64-apple-darwin \
	x86_64-pc-windows-msvc \
	aarch64-pc-windows-msvc; do
	file=agent-task-$target
	case $target in
	*-windows-*) file=$file.exe ;;
	esac
	[ -s "$directory/$file" ] || die "there is no $file in $directory"
	hash=$($hasher <"$directory/$file")
	hash=${hash%% *}
	[ ${#hash} = 64 ] || die "$hasher did not hash $file"
	printf '%s %s %s\n' "$target" "$hash" "$file"
done
