# PID 1 of a machine until it hands over to systemd: makes the file system look like a server's.
# Takes from the environment: ROOT (the mounted disk), NAME, DISK (a directory that is not on an overlay),
# BOOT_ID and MEMINFO (files), CONSOLE (a terminal), HIERARCHIES (v1 controllers, one word a mount; empty: unified only),
# VOLUMES (words KERNEL,MAJOR:MINOR,NAME,SERIAL; see volume.sh).
set -eu
R=$ROOT
# As the kernel would have set it; refused where this host itself is held lower.
ulimit -Hn 524288 2>/dev/null || true
mount --make-rprivate /
mount --bind "$R" "$R"
hostname "$NAME"

# Docker's overlays cannot lie on ours.
for dir in docker containerd; do
    mkdir -p "$R/var/lib/$dir" "$DISK/$dir"
    mount --bind "$DISK/$dir" "$R/var/lib/$dir"
done

mount -t proc -o nosuid,nodev,noexec proc "$R/proc"
# Settings of the whole kernel are not the machine's to change; those of its network namespace are.
mount --bind "$R/proc/sys" "$R/proc/sys"
mount -o remount,bind,ro "$R/proc/sys"
mount --bind "$R/proc/sys/net" "$R/proc/sys/net"
mount -o remount,bind,rw "$R/proc/sys/net"
for file in sysrq-trigger kmsg; do
    [ ! -e "$R/proc/$file" ] || mount --bind /dev/null "$R/proc/$file"
done
mount --bind "$BOOT_ID" "$R/proc/sys/kernel/random/boot_id"
mount --bind "$MEMINFO" "$R/proc/meminfo"

# /sys itself reads as writable, so that systemd knows devices and starts udev; everything in it is read-only.
mount -t sysfs -o nosuid,nodev,noexec sysfs "$R/sys"
for dir in "$R"/sys/*/; do
    mount --bind "$dir" "$dir"
    mount -o remount,bind,ro "$dir"
done

# The host's disks are not the machine's; volume.sh adds those that are.
for dir in block class/block dev/block; do
    mount -t tmpfs -o mode=755,nosuid,nodev,noexec,size=64k tmpfs "$R/sys/$dir"
done

if [ -n "$HIERARCHIES" ]; then
    mount -t tmpfs -o mode=755,nosuid,nodev,noexec,size=4m tmpfs "$R/sys/fs/cgroup"
    for controllers in $HIERARCHIES; do
        mkdir "$R/sys/fs/cgroup/$controllers"
        mount -t cgroup -o "nosuid,nodev,noexec,$controllers" cgroup "$R/sys/fs/cgroup/$controllers"
    done
    mkdir "$R/sys/fs/cgroup/systemd" "$R/sys/fs/cgroup/unified"
    mount -t cgroup -o nosuid,nodev,noexec,none,name=systemd cgroup "$R/sys/fs/cgroup/systemd"
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$R/sys/fs/cgroup/unified"
else
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$R/sys/fs/cgroup"
fi

mount -t tmpfs -o mode=755,nosuid,size=64m tmpfs "$R/dev"
mkdir "$R/dev/pts" "$R/dev/shm" "$R/dev/net" "$R/dev/mqueue" "$R/dev/hugepages"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$R/dev/pts"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$R/dev/shm"
mount -t mqueue mqueue "$R/dev/mqueue"
node() { # NAME MAJOR MINOR
    mknod -m 666 "$R/dev/$1" c "$2" "$3"
}
node null 1 3 && node zero 1 5 && node full 1 7 && node random 1 8 && node urandom 1 9
node tty 5 0 && node fuse 10 229 && node net/tun 10 200
ln -s pts/ptmx "$R/dev/ptmx"
ln -s /proc/self/fd "$R/dev/fd"
ln -s /proc/self/fd/0 "$R/dev/stdin"
ln -s /proc/self/fd/1 "$R/dev/stdout"
ln -s /proc/self/fd/2 "$R/dev/stderr"
: >"$R/dev/console"
mount --bind "$CONSOLE" "$R/dev/console"

mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$R/run"
mkdir "$R/run/.old" "$R/run/udev"
# systemd listens to udev only if it is there already, or /dev is the kernel's own.
: >"$R/run/udev/control"
for volume in $VOLUMES; do
    IFS=, read -r kernel numbers name serial <<WORDS
$volume
WORDS
    add_volume "$R" "$kernel" "$numbers" "$name" "$serial"
done

cd "$R"
pivot_root . run/.old
cd /
umount -l /run/.old
rmdir /run/.old
mount --make-rshared /
exec env -i container=other product_name="OpenStack Nova" TERM=vt220 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    setpriv --bounding-set=-sys_time,-sys_module,-sys_rawio,-mac_admin,-mac_override \
    --inh-caps=-sys_time,-sys_module,-sys_rawio,-mac_admin,-mac_override \
    /sbin/init </dev/console >/dev/console 2>&1
