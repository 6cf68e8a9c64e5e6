#!/bin/sh
#
# Finds or fetches the binary that the manifest beside this file names for this
# machine, and hands its path on as the step's output `path`. Nothing is handed
# on whose SHA-256 is not the manifest's: the commit that a workflow pins pins
# the bytes that run.
#
# BINARY_PATH, BINARY_BASE_URL and BINARY_VERIFY are the inputs of those names.
#
# It must run in dash, BusyBox and bash alike: a job's container may be Alpine.

set -eu

# Bytes are bytes, and tools complain in a language that is known here.
LC_ALL=C
export LC_ALL

here=$(dirname "$0")
temporary=
errors=
made=
last_resort=
fetching=
cr=$(printf '\r')
bring_your_own="bring the binary yourself and name it in \`binary-path\`"

# Ends the step with one annotation. The message may hold whatever a tool or a
# workflow said, so it is escaped as the runner wants it:
# https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts
fail() {
	message=$(printf '%s\n' "$*" | sed -e 's/%/%25/g' -e "s/$cr/%0D/g" -e '$!s/$/%0A/' | tr -d '\n')
	printf '::error title=agent-task was not installed::%s\n' "$message"
	exit 1
}

# Runs on every way out. The folders go only if nothing is in them: another job
# may be about to put its copy there.
leave() {
	if [ -n "$fetching" ]; then
		kill "$fetching" 2>/dev/null || :
		wait "$fetching" 2>/dev/null || :
	fi
	if [ -n "$temporary" ]; then
		rm -f "$temporary" "$errors"
	fi
	if [ -n "$made" ]; then
		rmdir "$made/agent-task/$version/$wanted" "$made/agent-task/$version" "$made/agent-task" 2>/dev/null || :
	fi
	if [ -n "$last_resort" ]; then
		rmdir "$last_resort" 2>/dev/null || :
	fi
}
trap leave EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Hands a path on. A value ends at a line that is exactly its delimiter, so the
# delimiter must not be in the value:
# https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#multiline-strings
hand_on() {
	delimiter=ghadelimiter_agent_task
	while :; do
		case $1 in
		*"$delimiter"*) delimiter=${delimiter}_ ;;
		*) break ;;
		esac
	done
	if ! printf 'path<<%s\n%s\n%s\n' "$delimiter" "$1" "$delimiter" >>"$GITHUB_OUTPUT"; then
		fail "The path of the binary cannot be written to the file that GITHUB_OUTPUT names."
	fi
}

has() {
	command -v "$1" >/dev/null 2>&1
}

# Finds the tool that makes a SHA-256.
find_hasher() {
	if has sha256sum; then
		hasher='sha256sum'
	elif has shasum; then
		hasher='shasum -a 256'
	elif has openssl; then
		hasher='openssl dgst -sha256 -r'
	else
		fail "There is no sha256sum, shasum or openssl here, so the binary cannot be checked. Install one of them, or" \
			"$bring_your_own with \`binary-verify: false\`."
	fi
}

# Prints a file's SHA-256, or nothing if it cannot be read. All three tools say
# it first.
sha256() {
	# shellcheck disable=SC2086 # a command and its options
	sum=$($hasher 2>/dev/null <"$1") || sum=
	printf '%s' "${sum%% *}"
}

# Finds out which of the released binaries is for this machine. On Linux that is
# always the static one, which runs with any C library and without one.
find_target() {
	system=$(uname -s)
	machine=$(uname -m)
	case $system/$machine in
	Linux/x86_64 | Linux/amd64) target=x86_64-unknown-linux-musl ;;
	Linux/aarch64 | Linux/arm64) target=aarch64-unknown-linux-musl ;;
	Darwin/x86_64) target=x86_64-apple-darwin ;;
	Darwin/arm64 | Darwin/aarch64) target=aarch64-apple-darwin ;;
	*)
		fail "There is no binary for $system on $machine. There are binaries for Linux, macOS and Windows, each on" \
			"x86-64 and on arm64. Run the job on one of them, or build the binary from the sources, name it in" \
			"\`binary-path\` and set \`binary-verify: false\`."
		;;
	esac
}

# Reads version, base, and this platform's hash and file name.
read_manifest() {
	version=
	base=
	wanted=
	file=
	platforms=
	while read -r first second third; do
		case $first in
		'' | '#'*) ;;
		version) version=$second ;;
		base) base=$second ;;
		*)
			platforms="$platforms $first"
			if [ "$first" = "$target" ]; then
				wanted=$second
				file=$third
			fi
			;;
		esac
	done <"$here/manifest.txt"
	if [ -z "$platforms" ]; then
		fail "This commit of the action has no released binary. Pin a release of the action (a tag, or the commit of" \
			"a tag), or $bring_your_own with \`binary-verify: false\`."
	fi
	if [ -z "$wanted" ]; then
		fail "Release $version has no binary for $target, only for:$platforms. Pin another release, or" \
			"$bring_your_own with \`binary-verify: false\`."
	fi
	# These become parts of paths.
	case $version/$wanted/$file in
	*/*/*/* | *[!A-Za-z0-9._+/-]* | .* | /* | *//* | */ | */.*) wanted= ;;
	esac
	if [ ${#wanted} != 64 ]; then
		fail "dist/manifest.txt of the action is damaged."
	fi
}

# Takes the user's own binary.
take_own() {
	path=$BINARY_PATH
	# The next step starts it by this path, which must not be looked up in PATH.
	case $path in
	/*) ;;
	*) path=$PWD/$path ;;
	esac
	if [ ! -f "$path" ]; then
		fail "\`binary-path: $BINARY_PATH\`: there is no such file. A relative path starts at the workspace."
	fi
	if [ ! -x "$path" ]; then
		fail "\`binary-path: $BINARY_PATH\` is not executable. Run \`chmod +x\` on it in a step before."
	fi
	if [ "$verify" = true ]; then
		find_target
		read_manifest
		find_hasher
		found=$(sha256 "$path")
		if [ "$found" != "$wanted" ]; then
			fail "\`binary-path: $BINARY_PATH\` has the SHA-256 ${found:-of a file that cannot be read}, and release" \
				"$version for $target has $wanted. Bring that file, or set \`binary-verify: false\` if you trust this one."
		fi
	fi
	hand_on "$path"
	printf 'agent-task: the binary that binary-path names\n'
}

# Whether plain HTTP may be used: to this machine itself and to no other.
is_loopback() {
	authority=${1#http://}
	authority=${authority%%/*}
	case $authority in
	*@*) return 1 ;;
	127.0.0.1 | 127.0.0.1:* | localhost | localhost:* | '[::1]' | '[::1]':*) return 0 ;;
	*) return 1 ;;
	esac
}

# Makes the first folder that can be written, and an empty file in it. A job
# beside this one may be taking its empty folders away in that moment.
make_temporary() {
	for root in "${RUNNER_TOOL_CACHE-}" "${RUNNER_TEMP-}" ''; do
		if [ -z "$root" ]; then
			continue
		fi
		for _ in 1 2 3; do
			folder=$root/agent-task/$version/$wanted
			if mkdir -p "$folder" 2>/dev/null; then
				made=$root
				temporary=$(mktemp "$folder/.fetching.XXXXXX" 2>/dev/null) && return
				temporary=
			fi
		done
		leave
		made=
	done
	last_resort=$(mktemp -d 2>/dev/null) || last_resort=
	if [ -n "$last_resort" ]; then
		made=$last_resort
		folder=$last_resort/agent-task/$version/$wanted
		if mkdir -p "$folder" 2>/dev/null && temporary=$(mktemp "$folder/.fetching.XXXXXX" 2>/dev/null); then
			return
		fi
	fi
	temporary=
	fail "No folder can be written: neither RUNNER_TOOL_CACHE (${RUNNER_TOOL_CACHE:-not set}) nor RUNNER_TEMP" \
		"(${RUNNER_TEMP:-not set}) nor the system's folder for temporary files. Make room or fix their permissions," \
		"or $bring_your_own."
}

# Starts one attempt at a download, in the background: the runner sends SIGINT to
# this shell alone, and a shell that waits for a child in the foreground does
# not hear it before the child is done.
start_fetching() {
	if [ "$fetcher" = curl ]; then
		curl --fail --location --globoff --silent --show-error --proto "$protocols" --proto-redir "$protocols" \
			--connect-timeout 20 --speed-limit 1000 --speed-time 30 --output "$temporary" "$url" 2>"$errors" &
	elif wget --version >/dev/null 2>&1; then
		wget -nv -t 1 -T 30 -O "$temporary" "$url" >"$errors" 2>&1 &
	else
		# That of BusyBox knows few options, and Debian's build of it crashes at -T.
		wget -q -O "$temporary" "$url" >"$errors" 2>&1 &
	fi
	fetching=$!
	status=0
	wait "$fetching" || status=$?
	fetching=
}

# What went wrong: `absent`, `space`, `refused` or `network`. Each tool says the
# status of an answer in its own way, and the last line that it says matters.
diagnose() {
	said=$(sed -n -e "s/$cr/ /g" -e '/[^ ]/h' -e '$!d' -e g -e p "$errors")
	code=$(printf '%s\n' "$said" | sed -n -E 's/.*(error: |ERROR |HTTP\/[0-9.]+ )([1-5][0-9][0-9]).*/\2/p')
	case $code/$fetcher/$status/$said in
	404/* | 410/*) why=absent ;;
	408/* | 429/* | 5*) why=network ;;
	3* | 4*) why=refused ;;
	/curl/23/* | /wget/3/* | /*'No space left'*) why=space ;;
	*) why=network ;;
	esac
	# Where the disk is full, there is no room for the message either.
	if [ -z "$said" ] && ! { printf '?' >"$errors"; } 2>/dev/null; then
		why=space
	fi
}

fetch() {
	url=${BINARY_BASE_URL:-$base}
	url=${url%/}/$file
	# A mirror's password is nobody's business.
	shown=$(printf '%s' "$url" | sed -e 's|//[^/]*@|//***@|')
	protocols='=https'
	case $url in
	https://*) ;;
	http://*)
		is_loopback "$url" || fail "$shown is not encrypted. Give an \`https://\` address in \`binary-base-url\`."
		protocols='=http,https'
		;;
	*) fail "\`binary-base-url\` must be an \`https://\` address; $shown is none." ;;
	esac
	if has curl; then
		fetcher=curl
	elif has wget; then
		fetcher=wget
	else
		fail "There is neither curl nor wget here, so the binary cannot be fetched. Install one of them in a step" \
			"before, or $bring_your_own."
	fi
	make_temporary
	errors=$temporary.errors
	for pause in 1 3 0; do
		start_fetching
		if [ "$status" = 0 ]; then
			return
		fi
		diagnose
		case $why in
		absent)
			fail "There is nothing at $shown. Was the release removed, or does the mirror in \`binary-base-url\` not" \
				"have version $version? Pin another release, or $bring_your_own."
			;;
		space) fail "The binary cannot be written to $made (${said:-there is no room}). Make room there, or $bring_your_own." ;;
		refused) fail "The server refuses $shown ($said). Check \`binary-base-url\`, or $bring_your_own." ;;
		esac
		if [ "$pause" != 0 ]; then
			sleep "$pause"
		fi
	done
	fail "$shown cannot be fetched, after three attempts (${said:-$fetcher: exit status $status}). Check the network" \
		"and HTTPS_PROXY, give a mirror in \`binary-base-url\`, or $bring_your_own."
}

: "${GITHUB_OUTPUT:?is not set; this script is a step of a GitHub action}"

case ${BINARY_VERIFY:-true} in
true | True | TRUE) verify=true ;;
false | False | FALSE) verify=false ;;
*) fail "\`binary-verify: $BINARY_VERIFY\` is no boolean; write \`true\` or \`false\`." ;;
esac

if [ -n "${BINARY_PATH-}" ]; then
	take_own
	exit 0
fi

find_target
read_manifest
find_hasher

# A tool cache outlives the job and other jobs can write to it, so a file is not
# trusted for being there.
for root in "${RUNNER_TOOL_CACHE-}" "${RUNNER_TEMP-}"; do
	path=$root/agent-task/$version/$wanted/$file
	if [ -n "$root" ] && [ -x "$path" ] && [ "$(sha256 "$path")" = "$wanted" ]; then
		hand_on "$path"
		printf 'agent-task %s for %s, checked, from the cache\n' "$version" "$target"
		exit 0
	fi
done

fetch
found=$(sha256 "$temporary")
if [ "$found" != "$wanted" ]; then
	fail "The file at $shown has the SHA-256 $found, and this commit of the action wants $wanted. It was thrown away." \
		"Somebody has changed the file, or something on the way has. Do not trust it; tell the maintainers."
fi
# To be moved into place in one go, so that no job ever sees half a file.
path=$folder/$file
if ! chmod 755 "$temporary" || ! mv -f "$temporary" "$path"; then
	fail "The binary cannot be put into $folder. Make room there or fix its permissions, or $bring_your_own."
fi
hand_on "$path"
printf 'agent-task %s for %s, checked, fetched\n' "$version" "$target"
