#!/usr/bin/env bash
#
# Publishes a release: tags its commit, uploads everything into a draft, checks
# what was uploaded, and only then makes it public, because an immutable release
# takes no file afterwards.
#
# usage: publish.sh [--print] VERSION COMMIT NOTES DIRECTORY
#
#   --print    says what it would do, and does nothing
#   COMMIT     what commit-manifest.sh made
#   NOTES      a file with the release's notes
#   DIRECTORY  the files of the release, SHA256SUMS among them
#
# It needs git with the right to push, and gh with GH_TOKEN. After a failure it
# may be run again: what is there already and is right stays.

set -euo pipefail

die() {
	printf 'publish: %s\n' "$*" >&2
	exit 1
}

print=
if [[ ${1-} == --print ]]; then
	print=1
	shift
fi
[[ $# == 4 ]] || die "usage: publish.sh [--print] VERSION COMMIT NOTES DIRECTORY"
version=$1 commit=$2 notes=$3 directory=$4
tag=v$version

# Changes something out there, or says so.
change() {
	if [[ -n $print ]]; then
		printf 'would run:'
		printf ' %q' "$@"
		printf '\n'
	else
		"$@"
	fi
}

[[ -s $notes ]] || die "there are no notes in $notes"
[[ $(git rev-parse --verify "$commit^{commit}") == "$commit" ]] || die "there is no commit $commit"
git show "$commit:dist/manifest.txt" | cmp - "$directory/manifest.txt" || die "$commit has another manifest"
(cd "$directory" && sha256sum --check --quiet --strict SHA256SUMS) || die "the files are not those of SHA256SUMS"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# What an installer will unpack has the hash that it will want.
grep -E '^[a-z0-9_-]+ [0-9a-f]{64}$' "$directory/manifest.txt" >"$scratch/hashes" || die "the manifest names no binary"
while read -r target hash; do
	packed=$directory/agent-task-$target
	case $target in
	*-windows-*) python3 -m zipfile -e "$packed.zip" "$scratch/unpacked" && mv "$scratch/unpacked/agent-task.exe" "$scratch/binary" ;;
	*) gzip -dc "$packed.gz" >"$scratch/binary" ;;
	esac
	sha256sum --check --quiet <<<"$hash  $scratch/binary" || die "the manifest and the packed file of $target do not agree"
done <"$scratch/hashes"

there=$(git ls-remote origin "refs/tags/$tag")
there=${there%%[[:space:]]*}
if [[ -z $there ]]; then
	change git push origin "$commit:refs/tags/$tag"
elif [[ $there != "$commit" ]]; then
	die "$tag is there already, at $there"
fi

files=("$directory"/*)
draft=$(gh release view "$tag" --json isDraft --jq .isDraft 2>/dev/null) || draft=none
case $draft in
none) change gh release create "$tag" --draft --verify-tag --title "$tag" --notes-file "$notes" "${files[@]}" ;;
true) change gh release upload "$tag" --clobber "${files[@]}" ;;
*) die "$tag is published already" ;;
esac

# What users will get is what counts, not what was sent.
if [[ -z $print ]]; then
	gh release download "$tag" --dir "$scratch/draft"
	diff --recursive --brief "$directory" "$scratch/draft" || die "the draft of $tag holds something else"
fi
change gh release edit "$tag" --draft=false
