#!/usr/bin/env bash
# beside_busy.sh COUNT COMMAND...: runs a command beside so many processes that compute without end, and ends those
# with it, however it ends. Its status is the command's.
set -uo pipefail

count=$1
shift
busy=()
end() { [ ${#busy[@]} = 0 ] || kill "${busy[@]}" 2>/dev/null; busy=(); }
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

for _ in $(seq "$count"); do
  # It ends too when this script is gone and could not end it.
  python3 -c 'import os, sys
while os.getppid() == int(sys.argv[1]): sum(range(10**6))' "$$" &
  busy+=($!)
done
"$@" &
wait $!
