#!/usr/bin/env bash
#
# Builds the static x86-64 Linux binary (musl) on a Debian machine, with
# nothing but Debian's own packages: no cross, no container engine, no rustup.
# Releases are built with cross; this is for trying a static build without it.
#
# usage: static-build.sh [--install] [SOURCE [OUTPUT]]
#
#   --install  installs the Debian packages first (needs root)
#   SOURCE     a tree of this repository; default: the one this script is in
#   OUTPUT     where the binary goes; default: SOURCE/target/static/agent-task
#
# CARGO_TARGET_DIR says where to build; default: SOURCE/target/static.

set -euo pipefail

die() {
	printf 'static-build: %s\n' "$*" >&2
	exit 1
}

# `rust-web-src` holds the standard library of exactly the compiler in
# `rustc-web`. That is what lets `-Zbuild-std` make a musl one: Debian has none.
packages=(rustc-web cargo-web rust-web-src musl-tools)

if [[ ${1-} == --install ]]; then
	shift
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${packages[@]}"
fi

source=$(cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}" && pwd -P)
build=${CARGO_TARGET_DIR:-$source/target/static}
output=${2:-$source/target/static/agent-task}
target=x86_64-unknown-linux-musl
[[ $(uname -sm) == "Linux x86_64" ]] || die "this builds for x86-64 Linux on x86-64 Linux only"
mkdir -p "$build" "$(dirname "$output")"
build=$(cd "$build" && pwd -P)
CARGO_HOME=${CARGO_HOME:-$HOME/.cargo}
export CARGO_HOME CARGO_TARGET_DIR=$build

# A rustup proxy further up in PATH would be another compiler than the one that
# the sources of the standard library belong to.
export PATH=/usr/bin:/bin
unset RUSTUP_TOOLCHAIN RUSTC RUSTC_WRAPPER RUSTFLAGS
for tool in cargo rustc gcc ar musl-gcc; do
	command -v "$tool" >/dev/null || die "there is no /usr/bin/$tool; \`--install\` installs ${packages[*]}"
done
library=$(rustc --print sysroot)/lib/rustlib/src/rust/library
[[ -f $library/Cargo.lock ]] || die "there are no sources of the standard library in $library (Debian: rust-web-src)"

# The standard library links against an unwinder. Nothing unwinds here, as a
# panic aborts, but a library that keeps a backtrace in its errors walks the
# stack, and that must not end the process. There are no tables by which it
# could be walked (see below), so this is an unwinder that is always at its end.
parts=$build/musl-parts
mkdir -p "$parts"
cat >"$parts/unwind.c" <<'C'
#include <unwind.h>

_Unwind_Reason_Code _Unwind_Backtrace(_Unwind_Trace_Fn each, void *data)
{
	(void)each, (void)data;
	return _URC_END_OF_STACK;
}

_Unwind_Ptr _Unwind_GetIP(struct _Unwind_Context *context)
{
	(void)context;
	return 0;
}

_Unwind_Word _Unwind_GetCFA(struct _Unwind_Context *context)
{
	(void)context;
	return 0;
}

void *_Unwind_FindEnclosingFunction(void *address)
{
	(void)address;
	return NULL;
}
C
musl-gcc -Os -Wall -Wextra -Werror -fno-asynchronous-unwind-tables -include stddef.h \
	-c "$parts/unwind.c" -o "$parts/unwind.o"
rm -f "$parts/libunwind.a"
ar rcD "$parts/libunwind.a" "$parts/unwind.o"

# The linker adds the directory, and not a flag of the compiler: Cargo hashes
# those flags into symbol names, so the bytes would depend on where we build.
# shellcheck disable=SC2016 # expanded when the linker runs
printf '#!/bin/sh\nexec musl-gcc -L"${0%%/*}" "$@"\n' >"$parts/linker"
chmod +x "$parts/linker"

cd "$source"
cargo fetch --locked --target "$target"

# Without `relocation-model=static`, musl-gcc makes a file that `ldd` calls
# static but that starts only where musl's loader is installed.
flags=(
	-C target-feature=+crt-static
	-C relocation-model=static
	-C link-self-contained=no
	# A panic aborts, so nobody needs to find the way back up the stack.
	-C force-unwind-tables=no
	# A panic ends the process at once (status 132, as for an illegal
	# instruction) and says nothing: what it could say takes 200 kB. It is a bug
	# wherever it happens, and a build by `cargo install` says which.
	-Z location-detail=none
	-Z unstable-options -C panic=immediate-abort
	# A choice among few is made by comparisons; a table for it is larger.
	-C llvm-args=-min-jump-table-entries=8
)
# Whatever still names a source file names it the same wherever sources, crates
# and the standard library lie. Of several rules that match, the last one wins.
flags+=("--remap-path-prefix=$CARGO_HOME=/cargo")
for registry in "$CARGO_HOME"/registry/src/*/; do
	flags+=("--remap-path-prefix=${registry%/}=/crates")
done
flags+=(
	"--remap-path-prefix=$library=/rust/library"
	"--remap-path-prefix=$(realpath "$library")=/rust/library"
	"--remap-path-prefix=$build=/target"
	"--remap-path-prefix=$source=/source"
)
# Encoded, because a path may have a space in it.
CARGO_ENCODED_RUSTFLAGS=$(
	IFS=$'\x1f'
	printf '%s' "${flags[*]}"
)
export CARGO_ENCODED_RUSTFLAGS
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER=$parts/linker
export CC_x86_64_unknown_linux_musl=musl-gcc AR_x86_64_unknown_linux_musl=ar
export CFLAGS_x86_64_unknown_linux_musl="-fno-asynchronous-unwind-tables -ffile-prefix-map=$build=/target"

# `-Z` is for nightly compilers; this lets a stable one take it.
began=$SECONDS
# The standard library is made for size as well. It has no backtrace, which
# would name nothing in a binary without symbols.
RUSTC_BOOTSTRAP=1 cargo build --release --locked --bin agent-task --target "$target" \
	-Zbuild-std=std,panic_abort -Zbuild-std-features=optimize_for_size
took=$((SECONDS - began))

install -m 755 "$build/$target/release/agent-task" "$output"

printf 'built    %s\n' "$output"
printf 'compiler %s\n' "$(rustc --version)"
printf 'seconds  %s\n' "$took"
printf 'sha256   %s\n' "$(sha256sum <"$output" | cut -d' ' -f1)"
printf 'bytes    %s\n' "$(stat -c %s "$output")"
for packer in "gzip -9" "xz -9e" "zstd -19 -q"; do
	command -v "${packer%% *}" >/dev/null || continue
	# shellcheck disable=SC2086 # a command and its options
	printf '%-8s %s\n' "${packer%% *}" "$($packer -c <"$output" | wc -c)"
done
