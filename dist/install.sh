#!/bin/sh
#
# Finds, fetches or builds the binary for this machine and writes its path to
# the step's output `path`.
#
# A commit whose manifest.txt has the version of Cargo.toml is a release. Its
# binary is fetched, and used only if its SHA-256 is the manifest's: a pinned
# commit pins the bytes that run. Any other commit is built from its
# own sources, once for each tool cache.
#
# BINARY_PATH, BINARY_BASE_URL and BINARY_VERIFY are the inputs of those names.
# It must run in dash, BusyBox and bash: a job's container may be Alpine.

set -eu

# Messages of tools are matched below.
LC_ALL=C
export LC_ALL
# What else a job may have set that changes how the tools below work.
unset CDPATH GZIP CARGO_BUILD_RUSTFLAGS CARGO_BUILD_TARGET CARGO_ENCODED_RUSTFLAGS RUSTFLAGS

here=${0%/*}
root=$here/..
scratch=
tried=0
unfit=
partial=
fresh=
child=
bring_your_own="give a binary in \`binary-path\`"

# Ends the step with one annotation. Escapes it as the runner reads it:
# https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts
fail() {
	cr=$(printf '\r')
	message=$(printf '%s\n' "$*" | sed -e 's/%/%25/g' -e "s/$cr/%0D/g" -e '$!s/$/%0A/' | tr -d '\n')
	printf '::error title=agent-task was not installed::%s\n' "$message"
	exit 1
}

# Runs on every way out.
leave() {
	if [ -n "$child" ]; then
		kill "$child" 2>/dev/null || :
		wait "$child" 2>/dev/null || :
	fi
	if [ -n "$partial" ]; then
		discard_partial
	fi
	if [ -n "$scratch" ]; then
		rm -rf "$scratch" 2>/dev/null || :
	fi
}
trap leave EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Runs a command in the background and sets `status`: the runner sends SIGINT to
# this shell alone, which would not act on it before a child in the foreground
# has ended.
run() {
	"$@" &
	child=$!
	status=0
	wait "$child" || status=$?
	child=
}

# Writes the output. A value ends at a line that is exactly its delimiter, so
# the value must not contain that:
# https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#multiline-strings
write_output() {
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

# Whether a tool is known to be BusyBox's without starting it: that unpacks the
# help of all its tools to say that it has no option `--version`.
is_busybox() {
	# shellcheck disable=SC3013 # dash, BusyBox and bash know `-ef`
	[ "$(command -v "$1")" -ef /bin/busybox ]
}

find_hasher() {
	if has sha256sum; then
		hasher='sha256sum'
	elif has shasum; then
		hasher='shasum -a 256'
	elif has openssl; then
		hasher='openssl dgst -sha256 -r'
	else
		fail "sha256sum, shasum and openssl are missing, so the binary cannot be checked. Install one of them, or" \
			"$bring_your_own with \`binary-verify: false\`."
	fi
}

# Sets `sum` to a file's SHA-256, or to nothing if the file cannot be read.
sha256() {
	# shellcheck disable=SC2086 # a command and its options
	sum=$($hasher 2>/dev/null <"$1") || sum=
	sum=${sum%% *}
}

# Whether this machine can execute a file: its file system may be mounted
# `noexec`, which only some shells' `test -x` sees, or its loader missing.
runs() {
	status=0
	GITHUB_OUTPUT=/dev/null GITHUB_STEP_SUMMARY=/dev/null "$1" --version </dev/null >/dev/null 2>&1 || status=$?
	[ "$status" != 126 ] && [ "$status" != 127 ]
}

# Reads which release this commit is, and what that has for this machine: sets
# `version` (nothing if it is not a release), `base`, `target`, `wanted`, and
# `unreleased` to the reason why there is no binary to fetch, if there is none.
read_release() {
	for file in dist/manifest.txt dist/platforms.txt Cargo.toml; do
		if [ ! -r "$root/$file" ]; then
			fail "$file of the action cannot be read. Name the action in \`uses\`, or copy its whole repository."
		fi
	done
	# Linux has it in a file since 6.1, which takes no process.
	if { read -r machine </proc/sys/kernel/arch; } 2>/dev/null; then
		machine=Linux/$machine
	else
		machine=$(uname -sm)
		machine=${machine% *}/${machine##* }
	fi
	target=
	while read -r name machines _; do
		case $name/,$machines, in
		'#'*) ;;
		*",$machine,"*)
			target=$name
			break
			;;
		esac
	done <"$here/platforms.txt"
	own=
	section=
	while read -r name _ value; do
		case $name/$section in
		'['*) section=$name ;;
		version/'[package]')
			own=${value#\"}
			own=${own%\"*}
			break
			;;
		esac
	done <"$root/Cargo.toml"
	version=
	base=
	wanted=
	while read -r name value _; do
		case $name in
		'' | '#'*) ;;
		version) version=$value ;;
		base) base=$value ;;
		"$target")
			wanted=$value
			break
			;;
		esac
	done <"$here/manifest.txt"

	unreleased=
	if [ -z "$version" ] || [ "$version" != "$own" ]; then
		unreleased="This commit of the action has no released binary"
	elif [ -z "$wanted" ]; then
		unreleased="Release $version has no binary for $machine"
	else
		# These become parts of paths.
		case $version in
		.* | *[!A-Za-z0-9._+-]*) wanted= ;;
		esac
		case $wanted in
		*[!0-9a-f]*) wanted= ;;
		esac
		if [ ${#wanted} != 64 ]; then
			fail "dist/manifest.txt of the action is damaged. Pin another release, or $bring_your_own."
		fi
	fi
}

# Takes the binary of `binary-path`.
take_own() {
	path=$BINARY_PATH
	# The next step must not look it up in PATH.
	case $path in
	/*) ;;
	*) path=$PWD/$path ;;
	esac
	if [ ! -f "$path" ]; then
		fail "\`binary-path: $BINARY_PATH\`: this file does not exist. A relative path starts at the workspace."
	fi
	if [ ! -x "$path" ]; then
		fail "\`binary-path: $BINARY_PATH\` is not executable. Run \`chmod +x\` on it in a step before."
	fi
	if [ "$verify" = true ]; then
		read_release
		if [ -n "$unreleased" ]; then
			fail "$unreleased, so \`binary-path: $BINARY_PATH\` cannot be checked. Pin a release of the action, or set" \
				"\`binary-verify: false\` if you trust this file."
		fi
		find_hasher
		sha256 "$path"
		if [ "$sum" != "$wanted" ]; then
			fail "\`binary-path: $BINARY_PATH\` has the SHA-256 ${sum:-of a file that cannot be read}, and release" \
				"$version for $target has $wanted. Give that file, or set \`binary-verify: false\` if you trust this one."
		fi
	fi
	if ! runs "$path"; then
		fail "\`binary-path: $BINARY_PATH\` cannot be executed on this machine (exit status $status). Is it for" \
			"$(uname -s) on $(uname -m), and is its file system mounted with \`noexec\`?"
	fi
	write_output "$path"
	printf 'agent-task: the binary of binary-path\n'
}

# Makes a private folder for what is downloaded or built, in the next folder
# that can be written; fails if there is none. Removes the one before.
make_scratch() {
	if [ -n "$scratch" ]; then
		rm -rf "$scratch"
	fi
	at=0
	for folder in "${RUNNER_TEMP-}" "${TMPDIR:-/tmp}" "${RUNNER_TOOL_CACHE-}"; do
		at=$((at + 1))
		if [ "$at" -gt "$tried" ] && [ -n "$folder" ] &&
			scratch=$(mktemp -d "$folder/agent-task.XXXXXX" 2>/dev/null); then
			tried=$at
			errors=$scratch/errors
			return
		fi
	done
	scratch=
	return 1
}

# Whether $1 MiB cannot be written there: a tool does not always say why it failed.
is_full() {
	full=
	dd if=/dev/zero of="$scratch/room" bs=65536 count=$(($1 * 16)) 2>/dev/null || full=true
	rm -f "$scratch/room"
	[ -n "$full" ]
}

# Goes on to the next folder, or fails with $1, which is wrong with all of them.
next_scratch() {
	unfit=${unfit:+$unfit, }${scratch%/*}
	make_scratch || fail "$1 in $unfit${2:+ ($2)}. Make room there, or $bring_your_own."
}

no_folder() {
	fail "The binary cannot be written and executed in RUNNER_TOOL_CACHE (${RUNNER_TOOL_CACHE:-not set}), in RUNNER_TEMP" \
		"(${RUNNER_TEMP:-not set}) or in the system's temporary folder. Make room in one of them, make it writable, mount" \
		"it without \`noexec\`, or $bring_your_own."
}

# Takes away what `place` has begun, with the folders that it made.
discard_partial() {
	rm -f "$partial" 2>/dev/null || :
	partial=${partial%/*}
	rmdir "$partial" "${partial%/*}" "${partial%/*/*}" ${fresh:+"$fresh"} 2>/dev/null || :
	partial=
}

# Puts what the command $2 prints to agent-task/$1 in the first folder where it
# can be written and executed, and sets `path`; fails if there is no such folder.
# With $3 its SHA-256 must be that. It appears there in one go, so jobs that
# share the folder never see a part of it.
place() {
	for folder in "${RUNNER_TOOL_CACHE-}" "${RUNNER_TEMP-}" fresh; do
		if [ "$folder" = fresh ]; then
			folder=$(mktemp -d 2>/dev/null) || folder=
			fresh=$folder
		fi
		if [ -z "$folder" ]; then
			continue
		fi
		path=$folder/agent-task/$1/agent-task
		partial=$path.${scratch##*.}
		if mkdir -p "${path%/*}" 2>/dev/null && "$2" 2>/dev/null >"$partial" && chmod 755 "$partial"; then
			if [ -n "${3-}" ]; then
				sha256 "$partial"
				[ "$sum" = "$3" ] || return
			fi
			if runs "$partial" && mv -f "$partial" "$path" 2>/dev/null; then
				partial=
				return
			fi
		fi
		discard_partial
	done
	return 1
}

# Whether plain HTTP may be used: to this machine itself only.
is_loopback() {
	authority=${1#http://}
	authority=${authority%%/*}
	case $authority in
	*@*) return 1 ;;
	127.0.0.1 | 127.0.0.1:* | localhost | localhost:* | '[::1]' | '[::1]':*) return 0 ;;
	*) return 1 ;;
	esac
}

# One attempt at the download. The user's own settings for these tools, such as
# ~/.curlrc, must not change it.
download() {
	if [ "$fetcher" = curl ]; then
		set -- curl --disable --fail --location --globoff --silent --show-error \
			--proto "$protocols" --proto-redir "$protocols" \
			--connect-timeout 20 --speed-limit 1000 --speed-time 30 --output "$scratch/download" "$url"
	elif is_busybox wget || ! wget --version >/dev/null 2>&1; then
		# BusyBox has few options and no settings, and Debian's build of it crashes at -T.
		set -- wget -q -O "$scratch/download" "$url"
	else
		set -- wget --no-config --no-netrc -nv -t 1 -T 30 -O "$scratch/download" "$url"
	fi
	run "$@" >"$errors" 2>&1
}

# Sets `why` to what went wrong: `absent`, `space`, `refused` (now, perhaps not
# in a moment), `denied` or `network`. Each tool says the status of an answer
# in its own way, in the last line that it prints.
diagnose() {
	cr=$(printf '\r')
	said=$(sed -n -e "s/$cr/ /g" -e '/[^ ]/h' -e '$!d' -e g -e p "$errors")
	code=$(printf '%s\n' "$said" | sed -n -E 's/.*(error: |ERROR |HTTP\/[0-9.]+ )([1-5][0-9][0-9]).*/\2/p')
	case $code in
	404 | 410) why=absent ;;
	403 | 429) why=refused ;;
	408 | 425 | 5*) why=network ;;
	3* | 4*) why=denied ;;
	*) why=network ;;
	esac
	case ${url#*://} in
	# A tool takes parts of a password that is not encoded for others of the address, and shows them.
	*@*@* | *[/?#]*@*) said= ;;
	esac
	# More than any release has.
	if is_full 4; then
		why=space
	fi
}

# Downloads the release's file to $scratch/download.
fetch() {
	url=${BINARY_BASE_URL:-$base}
	url=${url%/}/agent-task-$target.gz
	shown=$url
	case $url in
	# A mirror's password must not reach the log, nor one with a `/` in it, which makes the address invalid.
	*@*) shown=$(printf '%s' "$url" | sed -e 's|^\(http[s]*://\)*.*@|\1***@|') ;;
	esac
	protocols='=https'
	case $url in
	https://*) ;;
	http://*)
		is_loopback "$url" || fail "$shown is not encrypted. Give an \`https://\` address in \`binary-base-url\`."
		protocols='=http,https'
		;;
	*) fail "\`binary-base-url\`: expected an \`https://\` address, got $shown." ;;
	esac
	if has curl; then
		fetcher=curl
	elif has wget; then
		fetcher=wget
		# It reads these names in lower case alone.
		https_proxy=${https_proxy-${HTTPS_PROXY-}} no_proxy=${no_proxy-${NO_PROXY-}}
		export https_proxy no_proxy
	else
		fail "curl and wget are missing, so the binary cannot be fetched. Install one of them in a step before, or" \
			"$bring_your_own."
	fi
	for pause in 1 3 0; do
		download
		while [ "$status" != 0 ]; do
			diagnose
			[ "$why" = space ] || break
			next_scratch "The disk is full" "${said:-$fetcher: exit status $status}"
			download
		done
		if [ "$status" = 0 ]; then
			return
		fi
		case $why in
		absent)
			fail "There is nothing at $shown. Was the release removed, or does the mirror in \`binary-base-url\` not" \
				"have version $version? Pin another release, or $bring_your_own."
			;;
		denied) fail "The server refuses $shown (${said:-status $code}). Check \`binary-base-url\`, or $bring_your_own." ;;
		esac
		if [ "$pause" != 0 ]; then
			run sleep "$pause"
		fi
	done
	if [ "$why" = refused ]; then
		fail "The server refuses $shown, three times (${said:-status $code}). Try again later, check" \
			"\`binary-base-url\`, or $bring_your_own."
	fi
	fail "$shown cannot be fetched, after three attempts (${said:-$fetcher: exit status $status}). Check the network" \
		"and HTTPS_PROXY, give a mirror in \`binary-base-url\`, or $bring_your_own."
}

# GitHub's runners have zstd. If built for it, it reads the format of gzip in two thirds of gzip's time.
unpack() {
	{ has zstd && zstd -dcq <"$scratch/download"; } || gzip -dc <"$scratch/download"
}

# Installs the release's binary.
install_release() {
	find_hasher
	# Other jobs can write to a tool cache, so a file there is checked again.
	for folder in "${RUNNER_TOOL_CACHE-}" "${RUNNER_TEMP-}"; do
		path=$folder/agent-task/$version/$wanted/agent-task
		if [ -n "$folder" ] && [ -x "$path" ]; then
			sha256 "$path"
			if [ "$sum" = "$wanted" ] && runs "$path"; then
				write_output "$path"
				printf 'agent-task %s for %s, checked, from the cache\n' "$version" "$target"
				return
			fi
		fi
	done
	if ! has gzip; then
		fail "gzip is missing, so the binary cannot be unpacked. Install it in a step before, or $bring_your_own."
	fi
	make_scratch || no_folder
	fetch
	if ! place "$version/$wanted" unpack "$wanted"; then
		if ! said=$(gzip -t <"$scratch/download" 2>&1); then
			# GNU's begins with an empty line.
			said=${said#"
"}
			fail "The file at $shown cannot be unpacked ($said). Something has changed it, perhaps a proxy. Check" \
				"\`binary-base-url\`, or $bring_your_own."
		fi
		if [ -n "$partial" ]; then
			fail "The file at $shown holds a binary with the SHA-256 $sum, and this commit of the action wants $wanted." \
				"It was deleted. Do not trust that file; report it to the maintainers."
		fi
		no_folder
	fi
	write_output "$path"
	printf 'agent-task %s for %s, checked, fetched\n' "$version" "$target"
}

# Sets `key` to a hash of all that a build depends on: sources, and the system
# whose libraries the binary needs.
find_key() {
	if ! has find || ! has sort || ! has xargs; then
		fail "$unreleased, and find, sort or xargs is missing, so it cannot be built. Pin a release of the action, or" \
			"$bring_your_own with \`binary-verify: false\`."
	fi
	key=$(
		cd "$root"
		{
			printf '%s\n' "$machine"
			cat /etc/os-release 2>/dev/null || :
			# shellcheck disable=SC2086 # a command and its options
			find Cargo.toml Cargo.lock build.rs src -type f | sort | xargs $hasher
		} | $hasher
	)
	key=${key%% *}
}

# Sets `built` to the binary that cargo made; fails if there is none. A cargo
# whose config file names a target puts it in a folder of that name.
find_built() {
	for built in "$scratch"/target/release/agent-task "$scratch"/target/*/release/agent-task; do
		if [ -f "$built" ]; then
			return
		fi
	done
	return 1
}

print_built() {
	cat "$built"
}

# Runs in the background, where `exec` makes cargo the child that a signal ends.
build() {
	# The programs that it builds and runs there.
	printf '#!/bin/sh\n' >"$scratch/probe" && chmod 755 "$scratch/probe" && runs "$scratch/probe" || exit 126
	cd "$root"
	# A wrapper such as sccache would go on in this folder after the step.
	CARGO_TARGET_DIR=$scratch/target RUSTC_WRAPPER='' TMPDIR=$scratch
	export CARGO_TARGET_DIR RUSTC_WRAPPER TMPDIR
	exec cargo build --release --locked
}

run_build() {
	printf '::group::cargo build --release --locked\n'
	run build
	printf '::endgroup::\n'
}

# Installs a binary that is made from the sources of this commit.
install_from_source() {
	find_hasher
	find_key
	for folder in "${RUNNER_TOOL_CACHE-}" "${RUNNER_TEMP-}"; do
		path=$folder/agent-task/source/$key/agent-task
		if [ -n "$folder" ] && [ -x "$path" ] && runs "$path"; then
			write_output "$path"
			printf 'agent-task %s, built from these sources before, from the cache\n' "$own"
			return
		fi
	done
	if ! has cargo; then
		fail "$unreleased, and cargo is missing, so it cannot be built either. Pin a release of the action (a tag, or" \
			"the commit of a tag), install Rust in a step before (https://rustup.rs), or $bring_your_own with" \
			"\`binary-verify: false\`."
	fi
	printf '::notice title=agent-task is built from its sources::%s\n' "$unreleased, so cargo builds it now. That takes \
two to five minutes, once for each tool cache, and GitHub's own runners begin with an empty one. Pin a release of the \
action to avoid it."
	make_scratch || no_folder
	run_build
	while [ "$status" = 126 ] || { [ "$status" != 0 ] && is_full 64; }; do
		next_scratch "The disk is full or mounted with \`noexec\`"
		run_build
	done
	if [ "$status" != 0 ] || ! find_built; then
		fail "$unreleased, and cargo cannot build it (exit status $status); the log says why. The build needs the Rust" \
			"version that the action's Cargo.toml names, and a C compiler. Pin a release of the action, or" \
			"$bring_your_own with \`binary-verify: false\`."
	fi
	place "source/$key" print_built || no_folder
	write_output "$path"
	printf 'agent-task %s, built from its sources\n' "$own"
}

: "${GITHUB_OUTPUT:?is not set; this script is a step of a GitHub action}"

case ${BINARY_VERIFY:-true} in
true | True | TRUE) verify=true ;;
false | False | FALSE) verify=false ;;
*) fail "\`binary-verify\`: expected true or false, got $BINARY_VERIFY." ;;
esac

if [ -n "${BINARY_PATH-}" ]; then
	take_own
	exit
fi
read_release
if [ -z "$unreleased" ]; then
	install_release
else
	install_from_source
fi
