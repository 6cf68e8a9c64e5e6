#!/usr/bin/env bash
#
# Shows that a Linux binary is static for real: it starts tasks from a root
# directory that holds nothing but the binary, against the simulator.
#
# usage: static-check.sh BINARY [SIMULATOR]
#
#   BINARY     agent-task, for this machine
#   SIMULATOR  the simulator's binary; default: it is built here
#
# It needs root (an empty root directory is one of chroot), python3, openssl,
# and unshare and ip, as every runner has them: all of it happens in a network
# namespace without a way out. CARGO_TARGET_DIR says
# where the simulator is built.

set -euo pipefail

die() {
	printf 'static-check: FAILED: %s\n' "$*" >&2
	exit 1
}
pass() {
	printf 'ok: %s\n' "$*"
}

[[ $# == 1 || $# == 2 ]] || die "usage: static-check.sh BINARY [SIMULATOR]"
binary=$(realpath -e "$1")
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
simulator=${2-}
if [[ -z $simulator ]]; then
	(cd "$repository" && cargo build --locked --package simulator)
	simulator=${CARGO_TARGET_DIR:-$repository/target}/debug/simulator
fi
simulator=$(realpath -e "$simulator")

if [[ -z ${STATIC_CHECK_INSIDE-} ]]; then
	[[ $(id -u) == 0 ]] || die "run it as root: it changes the root directory"
	STATIC_CHECK_INSIDE=1 exec unshare --net -- "${BASH_SOURCE[0]}" "$binary" "$simulator"
fi
ip link set lo up

scratch=$(mktemp -d)
children=()
leave() {
	((${#children[@]} == 0)) || kill "${children[@]}" 2>/dev/null || true
	rm -rf "$scratch"
}
trap leave EXIT

# What the file itself says. `ldd` cannot be used: it also calls a file static that
# starts only where musl's loader is installed.
headers=$(readelf --wide --program-headers --dynamic "$binary")
[[ $headers != *INTERP* ]] || die "it names a loader"
[[ $headers != *"(NEEDED)"* ]] || die "it needs shared libraries"
pass "no loader and no shared library in its headers"
if command -v file >/dev/null; then
	kind=$(file --brief "$binary")
	[[ $kind == *"statically linked"* || $kind == *static-pie* ]] || die "file says: $kind"
	pass "file: $kind"
fi

# Makes an empty root directory, $root, with nothing in it but the binary.
root=
roots=0
empty_root() {
	roots=$((roots + 1))
	root=$scratch/root$roots
	mkdir "$root"
	cp "$binary" "$root/agent-task"
}

# Runs a step in $root, with NAME=VALUE... added to the variables of every step.
# Its log goes to $said, its outputs to $outputs and its exit code to $code.
said=
outputs=
code=
step() {
	code=0
	: >"$root/output"
	said=$(env -i GITHUB_ACTIONS=true GITHUB_REPOSITORY=octo/app GITHUB_OUTPUT=/output GITHUB_STEP_SUMMARY=/summary \
		RUNNER_TEMP=/temp INPUT_TOKEN=github_pat_simulated INPUT_PROMPT="Prepare the release" "$@" \
		"$(command -v chroot)" "$root" /agent-task 2>&1) || code=$?
	outputs=$(cat "$root/output")
}

# Ends with what the step said, unless its exit code is this.
expect_code() {
	((code == $1)) || die "$2: exit code $code and not $1; it said: $said"
}

empty_root
version=$(env -i "$(command -v chroot)" "$root" /agent-task --version)
[[ $version == "agent-task "* ]] || die "--version says: $version"
[[ $(ls -A "$root") == agent-task ]] || die "the root directory is not empty: $(ls -A "$root")"
pass "--version in an empty root directory: $version"

step INPUT_DRY_RUN=true
expect_code 0 "dry run"
pass "a dry run in an empty root directory"

printf '%s\n' '{"tokens": {"github_pat_simulated": {}}, "repositories": {"octo/app": {}}, "speed": 100}' \
	>"$scratch/scenario.json"
"$simulator" --scenario "$scratch/scenario.json" >"$scratch/address" &
children+=($!)
for _ in {1..100}; do
	[[ ! -s $scratch/address ]] || break
	sleep 0.1
done
address=$(cat "$scratch/address")
[[ $address == http://* ]] || die "the simulator does not start"

started() {
	expect_code 0 "$1"
	[[ $outputs == *'"created":true'* ]] || die "$1: no task in the outputs: $(grep -F '"created"' <<<"$outputs")"
}

# Over http a certificate is of no use, so none may be asked for. What comes
# after this is worth knowing even if this is not so: it fails at the end.
plain=0
empty_root
step GITHUB_API_URL="$address"
if ((code == 0)); then
	started "a start over http"
	pass "a start over http on the loopback interface, without certificates"
else
	plain=1
	printf 'NOT ok: a start over http without certificates: exit code %s, it said:\n%s\n' "$code" "$said"
fi

# A certificate authority, a certificate for a subdomain of ghe.com, which is
# where agent tasks may be, a relay that speaks TLS in front of the simulator,
# and a name server that knows this one name.
host=api.octo.ghe.com
(
	cd "$scratch"
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=static-check" -keyout ca.key -out ca.pem \
		-addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign"
	openssl req -newkey rsa:2048 -nodes -subj "/CN=$host" -keyout host.key -out host.csr
	printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth\n' "$host" >host.ext
	openssl x509 -req -days 2 -in host.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile host.ext -out host.pem
) >"$scratch/openssl" 2>&1 || die "openssl: $(cat "$scratch/openssl")"
cat >"$scratch/front.py" <<'PYTHON'
"""Resolves any name to 127.0.0.1, and relays TLS there to the simulator."""
import socket
import ssl
import sys
import threading

_, certificate, key, port = sys.argv


def resolve(names):
    while True:
        query, who = names.recvfrom(512)
        end = query.index(0, 12) + 5
        ipv4 = query[end - 4 : end - 2] == b"\0\1"
        answer = query[:2] + b"\x81\x80\0\1" + (b"\0\1" if ipv4 else b"\0\0") + b"\0\0\0\0" + query[12:end]
        if ipv4:
            answer += b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1"
        names.sendto(answer, who)


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def relay(plain):
    try:
        client = context.wrap_socket(plain, server_side=True)
    except OSError:
        return
    server = socket.create_connection(("127.0.0.1", int(port)))
    threading.Thread(target=pump, args=(server, client), daemon=True).start()
    pump(client, server)


names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
names.bind(("127.0.0.1", 53))
threading.Thread(target=resolve, args=(names,), daemon=True).start()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
listener = socket.create_server(("127.0.0.1", 443))
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    threading.Thread(target=relay, args=(connection,), daemon=True).start()
PYTHON
python3 "$scratch/front.py" "$scratch/host.pem" "$scratch/host.key" "${address##*:}" >"$scratch/ready" &
children+=($!)
for _ in {1..100}; do
	[[ ! -s $scratch/ready ]] || break
	sleep 0.1
done
[[ -s $scratch/ready ]] || die "the TLS relay does not start"

# One more root, with what a container normally has on top: certificates, where
# Debian has them, and resolv.conf.
empty_root
mkdir -p "$root/etc/ssl/certs"
cp "$scratch/ca.pem" "$root/etc/ssl/certs/ca-certificates.crt"
printf 'nameserver 127.0.0.1\n' >"$root/etc/resolv.conf"
step GITHUB_API_URL="https://$host"
started "a start over https"
pass "a start over https, with a name from resolv.conf, with certificates and resolv.conf and nothing else"

# The same with the certificates where SSL_CERT_FILE says.
empty_root
mkdir "$root/etc"
cp "$scratch/ca.pem" "$root/own.pem"
printf 'nameserver 127.0.0.1\n' >"$root/etc/resolv.conf"
step GITHUB_API_URL="https://$host" SSL_CERT_FILE=/own.pem
started "a start over https with SSL_CERT_FILE"
pass "a start over https with SSL_CERT_FILE"

# A refusal, and a connection that comes to nothing. They pass through other
# parts of the program than a start does, those that walk the stack among them.
step GITHUB_API_URL="https://$host" SSL_CERT_FILE=/own.pem INPUT_TOKEN=github_pat_unknown
expect_code 4 "an unknown token"
pass "a token that GitHub does not know: exit code 4"
printf 'nameserver 127.0.0.2\noptions timeout:1 attempts:1\n' >"$root/etc/resolv.conf"
step GITHUB_API_URL="https://$host" SSL_CERT_FILE=/own.pem INPUT_COMMAND=wait INPUT_TASK_ID=1 INPUT_PROMPT= \
	INPUT_WAIT_TIMEOUT=2s
[[ $code == [15] && $said == *::error* ]] || die "no name server: exit code $code; it said: $said"
pass "without a name server: exit code $code and an annotation"

# Without any certificates, https cannot work: one clear sentence is the point.
empty_root
step GITHUB_API_URL="https://$host"
expect_code 5 "no certificates"
[[ $(grep -c '^::error' <<<"$said") == 1 ]] || die "not one annotation without certificates: $said"
[[ $said == *ca-certificates* && $said == *SSL_CERT_FILE* ]] || die "it does not say what is missing: $said"
pass "without certificates: exit code 5 and one annotation:"
printf '%s\n' "$said" | sed 's/^/    /'

((plain == 0)) || die "a start over http on the loopback interface needs certificates"
printf 'static-check: all of it\n'
