#!/bin/sh
# step.sh begin NAME | end NAME [--failed] | status: tells `driftless run` of a step, from inside the container.
# PROJECT is where the project is mounted (else the current folder). With STRICT=1 it ends with the code of the sync.
box="${PROJECT:-.}/.driftless/steps" n=0
id="$(cat /proc/sys/kernel/random/uuid 2>/dev/null || echo "$(hostname)-$$-$(date +%s)")"
[ -e "$box/open" ] || { echo "driftless does not listen in $box; going on"; exit 0; }
give_up() { rm -f "$box/$id.ask"; echo "driftless $1; going on"; [ -z "$STRICT" ]; exit; }
{ printf '%s\n' "$*" > "$box/$id.new" && mv "$box/$id.new" "$box/$id.ask"; } 2>/dev/null || give_up "cannot be told in $box"
until [ -e "$box/$id.answer" ]; do # A minute to be heard, five for the answer.
  n=$((n + 1)); [ "$n" -lt 600 ] || [ ! -e "$box/$id.ask" ] && [ "$n" -lt 3000 ] && [ -e "$box/open" ] || give_up "does not answer"
  sleep 0.1 2>/dev/null || sleep 1
done
{ read -r code; cat; } < "$box/$id.answer"; rm -f "$box/$id.answer"
[ -z "$STRICT" ] || exit "$code"
