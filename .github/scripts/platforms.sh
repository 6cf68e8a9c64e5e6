#!/bin/sh
#
# Prints the platforms of dist/platforms.txt as JSON, for a matrix of jobs: of
# each the target, its runner, the runner and tool that build it, and what a
# program's name ends in.
#
# usage: platforms.sh

set -eu

awk '
	/^#/ || NF == 0 { next }
	NF != 4 || $4 !~ /^(cargo|cross)$/ { print "platforms: bad line: " $0 >"/dev/stderr"; exit bad = 1 }
	{
		build_on = $4 == "cross" ? "ubuntu-24.04" : $3
		suffix = $1 ~ /-windows-/ ? ".exe" : ""
		printf "%s{\"target\":\"%s\",\"os\":\"%s\",\"build-on\":\"%s\",\"build\":\"%s\",\"suffix\":\"%s\"}",
			(count++ ? "," : "["), $1, $3, build_on, $4, suffix
	}
	END { if (bad || !count) exit 1; print "]" }
' "$(dirname "$0")/../../dist/platforms.txt"
