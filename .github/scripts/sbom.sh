#!/bin/sh
#
# Writes the bill of materials of a release: every crate that is part of the
# binary on any platform, as CycloneDX.
#
# usage: sbom.sh FILE
#
# It needs cargo-cyclonedx.

set -eu

[ $# = 1 ] || {
	printf 'usage: sbom.sh FILE\n' >&2
	exit 1
}
repository=$(cd "$(dirname "$0")/../.." && pwd -P)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The tool writes beside each Cargo.toml, so it gets a copy of the tree, and it
# writes where that is. It gets the time of the commit, or each run would write
# another file.
git -C "$repository" archive HEAD | tar -x -C "$scratch"
SOURCE_DATE_EPOCH=$(git -C "$repository" show --no-patch --format=%ct HEAD)
export SOURCE_DATE_EPOCH
cargo cyclonedx --quiet --manifest-path "$scratch/Cargo.toml" --format json --spec-version 1.5 --target all \
	--no-build-deps --override-filename agent-task
sed "s|$scratch|/source|g" "$scratch/agent-task.json" >"$1"
