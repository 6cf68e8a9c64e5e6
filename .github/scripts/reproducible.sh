#!/usr/bin/env bash
#
# Builds the same commit twice, in two directories whose names differ in length
# too, and compares the static binaries byte for byte.
#
# usage: reproducible.sh [COMMIT]    (default: HEAD)
#
# It needs what static-build.sh needs, and up to twice its time.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
commit=$(git rev-parse --verify "${1:-HEAD}^{commit}")
build=$PWD/.github/scripts/static-build.sh

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

builds=()
for name in one another/and-deeper; do
	mkdir -p "$scratch/$name/source"
	git archive "$commit" | tar -x -C "$scratch/$name/source"
	# Side by side, as the last step of a build keeps one processor busy only.
	CARGO_TARGET_DIR=$scratch/$name/target "$build" "$scratch/$name/source" "$scratch/$name/agent-task" >&2 &
	builds+=($!)
done
for job in "${builds[@]}"; do
	wait "$job"
done

printf 'commit %s\n' "$commit"
(cd "$scratch" && sha256sum one/agent-task another/and-deeper/agent-task)
if cmp "$scratch/one/agent-task" "$scratch/another/and-deeper/agent-task"; then
	printf 'reproducible: the bytes are the same\n'
else
	printf 'reproducible: the bytes DIFFER; they name these places:\n' >&2
	strings -n 8 "$scratch/one/agent-task" | grep -F "$scratch" | sort -u | head >&2 || true
	exit 1
fi
