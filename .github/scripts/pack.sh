#!/bin/sh
#
# Packs the binaries of a release, each into the file that a job downloads:
# agent-task-TARGET.gz, and agent-task-TARGET.zip for Windows.
#
# usage: pack.sh BINARIES DIRECTORY
#
#   BINARIES   where they are: agent-task-TARGET, with .exe on Windows
#   DIRECTORY  where the packed files go; it must be there
#
# It needs gzip and python3.

set -eu

die() {
	printf 'pack: %s\n' "$*" >&2
	exit 1
}

# What a job may have to download, in bytes. A static binary of 4.2 MB is
# about half of that when packed.
most=2100000

[ $# = 2 ] || die "usage: pack.sh BINARIES DIRECTORY"
for binary in "$1"/agent-task-*; do
	name=${binary##*/}
	case $name in
	*.exe)
		packed=$2/${name%.exe}.zip
		python3 -c '
import sys, zipfile
with zipfile.ZipFile(sys.argv[2], "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
    file.write(sys.argv[1], "agent-task.exe")
' "$binary" "$packed"
		;;
	*)
		packed=$2/$name.gz
		gzip -9nc "$binary" >"$packed"
		;;
	esac
	size=$(wc -c <"$packed")
	[ "$size" -le "$most" ] || die "$packed has $size bytes, and the budget is $most"
done
