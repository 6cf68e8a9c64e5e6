#!/usr/bin/env bash
#
# Moves the tag of a major version (v1 for 1.2.3) to a release.
#
# usage: move-major.sh [--print] VERSION
#
# It needs git with the right to push. The tag never goes back to an older
# version: who wants that, does it by hand.

set -euo pipefail

die() {
	printf 'move-major: %s\n' "$*" >&2
	exit 1
}

print=
if [[ ${1-} == --print ]]; then
	print=1
	shift
fi
[[ $# == 1 && $1 =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || die "usage: move-major.sh [--print] VERSION"
version=$1
major=v${version%%.*}

tags=$(git ls-remote origin "refs/tags/$major" "refs/tags/$major.*")
commit=$(awk -v ref="refs/tags/v$version" '$2 == ref { print $1 }' <<<"$tags")
[[ -n $commit ]] || die "there is no tag v$version"
newest=$(sed -nE 's|^.*refs/tags/v([0-9]+\.[0-9]+\.[0-9]+)$|\1|p' <<<"$tags" | sort -V | tail -n 1)
[[ $newest == "$version" ]] || die "$newest is newer than $version; $major stays where it is"

if [[ -n $print ]]; then
	printf 'would run: git push --force origin %s:refs/tags/%s\n' "$commit" "$major"
else
	git push --force origin "$commit:refs/tags/$major"
fi
