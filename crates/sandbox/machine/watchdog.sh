# Outlives the sandbox by a moment: once it is gone, however it went, removes what it left.
#   watchdog.sh SWEEP NUMBER RECORD LOCK
# Its input is a pipe that only the sandbox holds; its output is the open LOCK, held until all is swept.
trap '' HUP INT TERM PIPE
sweep=$1 number=$2 record=$3 lock=$4
while read -r _; do :; done
sh -c "$sweep" sandbox "$number" "$record" >/dev/null 2>&1
rm -f "$lock"
