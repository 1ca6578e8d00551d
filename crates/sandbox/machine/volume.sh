# Shows a volume in a machine as a virtio disk would appear. Its kernel name stays that of the loop device beneath.
#   add_volume ROOT KERNEL NUMBERS NAME SERIAL        (add_volume /machine loop3 7:3 vdb 1b9d6bcd-bbfd-4b2d-9)
add_volume() {
    mknod -m 660 "$1/dev/$2" b "${3%:*}" "${3#*:}"
    chgrp 6 "$1/dev/$2"
    mkdir -p "$1/dev/disk/by-id" "$1/run/udev/rules.d"
    ln -sf "$2" "$1/dev/$4"
    ln -sf "../../$2" "$1/dev/disk/by-id/virtio-$5"
    echo "KERNEL==\"$2\", SYMLINK+=\"$4 disk/by-id/virtio-$5\"" >"$1/run/udev/rules.d/50-volume-$4.rules"
    ln -sf "../devices/virtual/block/$2" "$1/sys/block/$2"
    ln -sf "../../devices/virtual/block/$2" "$1/sys/class/block/$2"
    ln -sf "../../devices/virtual/block/$2" "$1/sys/dev/block/$3"
    # udev asks the kernel to announce what was written to the disk, such as a new file system.
    uevent=$1/sys/devices/virtual/block/$2/uevent
    mount --bind "$uevent" "$uevent"
    mount -o remount,bind,rw "$uevent"
}
