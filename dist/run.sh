#!/bin/sh
#
# Runs the binary BIN with the inputs that action.yml gives this step.
#
# A composite action gets no `INPUT_*` from the runner
# (https://github.com/actions/runner/issues/665), so action.yml maps them. Any
# other in the environment belongs to another program and is taken out, by
# `env`: a shell cannot unset a name with a hyphen. `exec`, because the runner
# sends the SIGINT of a cancelled workflow to this process alone.

set -eu

mapped=$(sed -n 's/^ *\(INPUT_[A-Z_]*\): .*/ \1 /p' "${0%/*}/../action.yml")
set --
for name in $(env | sed -n 's/^\(INPUT_[A-Za-z0-9_-]*\)=.*/\1/p'); do
	case $mapped in
	*" $name "*) ;;
	*) set -- "$@" -u "$name" ;;
	esac
done
if [ $# = 0 ]; then
	exec "$BIN"
fi
# shellcheck disable=SC2016 # for the inner shell: `env` would take a path with a `=` in it for a variable
exec env "$@" sh -c 'exec "$BIN"'
