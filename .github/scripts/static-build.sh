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

# The standard library links against a static unwinder, and Debian has GCC's,
# made for glibc. It asks one function of glibc where the unwind tables are, and
# it takes for granted that all of pthreads is there if any of it is. Nothing
# unwinds here, as a panic aborts, but a library that keeps a backtrace in its
# errors walks the stack, and that must not end the process. So this answers for
# the one object there is (the structure is that of glibc's <dlfcn.h>), and asks
# the linker for the functions that the unwinder only hopes for.
parts=$build/musl-parts
mkdir -p "$parts"
cp "$(gcc -print-file-name=libgcc_eh.a)" "$parts/libunwind.a"
cat >"$parts/find_object.c" <<'C'
#define _GNU_SOURCE
#include <link.h>
#include <pthread.h>
#include <stddef.h>

__attribute__((used)) static void *const hoped_for[] = {
	(void *)pthread_once,        (void *)pthread_mutex_lock,  (void *)pthread_mutex_unlock,
	(void *)pthread_key_create,  (void *)pthread_getspecific, (void *)pthread_setspecific,
};

struct found {
	unsigned long long flags;
	void *start, *end;
	struct link_map *map;
	void *eh_frame;
	unsigned long long reserved[7];
};

struct search {
	ElfW(Addr) address;
	struct found *found;
};

static int look(struct dl_phdr_info *object, size_t size, void *data)
{
	struct search *search = data;
	void *eh_frame = NULL;
	int inside = 0;
	(void)size;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &object->dlpi_phdr[i];
		ElfW(Addr) start = object->dlpi_addr + header->p_vaddr;
		if (header->p_type == PT_GNU_EH_FRAME)
			eh_frame = (void *)start;
		if (header->p_type == PT_LOAD && search->address - start < header->p_memsz) {
			search->found->start = (void *)start;
			search->found->end = (void *)(start + header->p_memsz);
			inside = 1;
		}
	}
	search->found->eh_frame = eh_frame;
	return inside && eh_frame;
}

int _dl_find_object(void *address, struct found *found)
{
	struct search search = { (ElfW(Addr))address, found };
	found->flags = 0;
	found->map = NULL;
	return dl_iterate_phdr(look, &search) ? 0 : -1;
}
C
musl-gcc -O2 -Wall -Wextra -Werror -c "$parts/find_object.c" -o "$parts/find_object.o"
ar rD "$parts/libunwind.a" "$parts/find_object.o"

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
)
# Panic messages name source files: the same names wherever sources, crates and
# the standard library lie. Of several rules that match, the last one wins.
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
RUSTC_BOOTSTRAP=1 cargo build --release --locked --bin agent-task --target "$target" -Zbuild-std=std,panic_abort
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
