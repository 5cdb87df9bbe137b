#!/usr/bin/env bash
# side_by_side.sh FIRST SECOND: runs two commands at once, the second one with the first one's leave: where both want a
# core, it gets a quarter. Prints the first one's output as it comes and then the second one's; fails if either does.
set -uo pipefail

output=$(mktemp)
second=
end() { [ -z "$second" ] || kill "$second" 2>/dev/null; rm -f "$output"; }
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

nice -n 5 bash -c "exec $2" >"$output" 2>&1 &
second=$!
bash -c "exec $1"
first_status=$?
wait "$second"
second_status=$?
second=
cat "$output"
exit $((first_status ? first_status : second_status))
