#!/usr/bin/env bash
#
# Makes the commit that is tagged: the one that is checked out, plus the
# manifest, plus nothing. Prints its name. Neither the working tree nor the
# index nor any branch changes.
#
# usage: commit-manifest.sh VERSION MANIFEST
#
# The same manifest on the same commit always makes the same commit, so a second
# attempt at a release comes to the same end.

set -euo pipefail

die() {
	printf 'commit-manifest: %s\n' "$*" >&2
	exit 1
}

[[ $# == 2 ]] || die "usage: commit-manifest.sh VERSION MANIFEST"
version=$1 manifest=$2
[[ $(head -n 1 "$manifest") == "version $version" ]] || die "$manifest is not the manifest of $version"

built=$(git rev-parse --verify 'HEAD^{commit}')
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export GIT_INDEX_FILE=$scratch/index

git read-tree "$built"
# Without filters: line endings must be as the hash of the commit has them.
blob=$(git hash-object -w --no-filters -- "$manifest")
git update-index --add --cacheinfo "100644,$blob,dist/manifest.txt"
tree=$(git write-tree)

GIT_AUTHOR_NAME='github-actions[bot]'
GIT_AUTHOR_EMAIL='41898282+github-actions[bot]@users.noreply.github.com'
GIT_AUTHOR_DATE=$(git show --no-patch --format=%cI "$built")
GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME
GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE
export GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_AUTHOR_DATE GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL GIT_COMMITTER_DATE
tagged=$(git commit-tree "$tree" -p "$built" -m "Release v$version" \
	-m "The binaries were built from the parent of this commit, $built.")

changed=$(git diff --name-only "$built" "$tagged")
[[ $changed == dist/manifest.txt ]] || die "it must change dist/manifest.txt alone; it changes: ${changed:-nothing}"
printf '%s\n' "$tagged"
