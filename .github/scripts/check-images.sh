#!/bin/sh
#
# Checks that Cross.toml pins every image by its digest, for the version of
# `cross` that the release workflow installs.
#
# usage: check-images.sh [FILE]    (default: Cross.toml of this tree)

set -eu

file=${1:-$(dirname "$0")/../../Cross.toml}
images=$(sed -n 's/^image = "\(.*\)"$/\1/p' "$file")
if [ -z "$images" ]; then
	printf 'check-images: %s names no image\n' "$file" >&2
	exit 1
fi
status=0
for image in $images; do
	if ! printf '%s\n' "$image" | grep -Eq '^[a-z0-9./_-]+:0\.2\.5@sha256:[0-9a-f]{64}$'; then
		printf 'check-images: %s is not pinned by a digest; Cross.toml says how to fill it in\n' "$image" >&2
		status=1
	fi
done
exit "$status"
