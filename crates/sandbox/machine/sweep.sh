# Removes every trace of one instance of the sandbox, whose owner is gone. Idempotent; each step goes on past failures.
#   sweep.sh NUMBER RECORD
# RECORD is the file that names the instance's directory, its address pool and its loop devices.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
number=$1 record=$2
name=hubctl-sandbox-$number
[ -e "$record" ] || exit 0
value() { sed -n "s/^$1 //p" "$record"; }
dir=$(value dir)

groups() { find /sys/fs/cgroup -type d -name "$name" -prune 2>/dev/null; }
inhabitants() {
    for group in $(groups); do find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null; done | sort -u
}
turns=0
while pids=$(inhabitants) && [ -n "$pids" ] && [ "$turns" -lt 200 ]; do
    kill -KILL $pids 2>/dev/null
    turns=$((turns + 1))
    sleep 0.05
done

for netns in /run/netns/hubs"$number"-*; do
    [ ! -e "$netns" ] || ip netns del "${netns##*/}" 2>/dev/null
done
for link in /sys/class/net/hubs"$number"r*; do
    [ ! -e "$link" ] || ip link del "${link##*/}" 2>/dev/null
done
for pool in $(value pool); do
    ip route del unreachable "$pool" metric "$((9000 + number))" 2>/dev/null
done
nft delete table inet "hubctl_sandbox_$number" 2>/dev/null

if [ -n "$dir" ]; then
    turns=0
    while [ "$turns" -lt 10 ]; do
        mounts=$(awk -v dir="$dir/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | sort -r)
        [ -n "$mounts" ] || break
        for mount in $mounts; do umount -l "$mount" 2>/dev/null; done
        turns=$((turns + 1))
    done
fi

# A loop device is ours only while it still lies over the file we gave it.
value loop | while read -r device file; do
    over=$(cat "/sys/block/${device##*/}/loop/backing_file" 2>/dev/null)
    [ "${over% (deleted)}" != "$file" ] || losetup -d "$device"
done

turns=0
while [ -n "$(groups)" ] && [ "$turns" -lt 100 ]; do
    for group in $(groups); do find "$group" -depth -type d -exec rmdir {} + 2>/dev/null; done
    turns=$((turns + 1))
    [ -z "$(groups)" ] || sleep 0.05
done

if [ -n "$dir" ]; then
    rm -rf --one-file-system "$dir"
fi
[ -n "$(groups)" ] || rm -f "$record"
