# Builds the image of a Debian 12 server, as Debian's cloud images are, but for kernel and boot loader.
#   image.sh IMAGE [SOURCES]
# IMAGE appears when it is complete, and is left alone where it is there already; SOURCES is the apt sources file that both the build and the image use.
set -eu
export LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
image=$1 sources=${2:-}
[ ! -e "$image" ] || exit 0
tree=${image%/*}/building
rm -rf --one-file-system "$tree"
packages=systemd-sysv,dbus,dbus-user-session,libpam-systemd,udev,openssh-server,sudo,ca-certificates,curl,wget,python3
packages=$packages,iproute2,iputils-ping,netbase,procps,less,nano,gnupg,unattended-upgrades,cron,e2fsprogs,bash-completion
packages=$packages,cloud-init,cloud-guest-utils
mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" --skip=essential/unlink bookworm "$tree" ${sources:+"$sources"}

# What this host trusts and how it reaches package registries, without its credentials.
cp /usr/local/share/ca-certificates/*.crt "$tree/usr/local/share/ca-certificates/" 2>/dev/null || true
chroot "$tree" update-ca-certificates >/dev/null 2>&1
[ ! -f /etc/pip.conf ] || grep -v '@' /etc/pip.conf >"$tree/etc/pip.conf" || true
for file in /etc/apt/apt.conf.d/*; do
    ! grep -qE '^[[:space:]]*(Acquire::(http|https|Check)|Acquire::Retries)' "$file" || grep -q '@' "$file" ||
        cp "$file" "$tree/etc/apt/apt.conf.d/"
done
bundle=/etc/ssl/certs/ca-certificates.crt
{
    echo "cafile=$bundle"
    cat /etc/npmrc "${HOME:-/root}/.npmrc" 2>/dev/null | grep -E '^registry *=' | grep -v '@' || true
} >"$tree/etc/npmrc"
{
    echo "NODE_EXTRA_CA_CERTS=$bundle"
    echo "NPM_CONFIG_GLOBALCONFIG=/etc/npmrc"
} >>"$tree/etc/environment"

# As in Debian's cloud images: cloud-init owns hostname, /etc/hosts, host keys and the default login.
cat >"$tree/etc/cloud/cloud.cfg.d/01_debian_cloud.cfg" <<'CFG'
datasource_list: [ OpenStack, None ]
manage_etc_hosts: true
locale: C.UTF-8
ssh_genkeytypes: [ rsa, ecdsa, ed25519 ]
# The address is there before the machine starts.
network: { config: disabled }
CFG
# All that may be announced anew are disks; the rest of /sys is the host's and read-only.
mkdir -p "$tree/etc/systemd/system/systemd-udev-trigger.service.d"
cat >"$tree/etc/systemd/system/systemd-udev-trigger.service.d/disks.conf" <<'CFG'
[Service]
ExecStart=
ExecStart=-udevadm trigger --action=add --subsystem-match=block
CFG
# Without it cloud-init would ask for a lease before it asks the metadata service.
rm -f "$tree"/sbin/dhclient "$tree"/usr/sbin/dhclient
rm -f "$tree"/etc/ssh/ssh_host_* "$tree"/etc/hostname "$tree"/etc/resolv.conf
rm -rf "$tree"/var/lib/cloud/* "$tree"/tmp/* "$tree"/var/log/journal
: >"$tree/etc/machine-id"
printf '127.0.0.1 localhost\n' >"$tree/etc/hosts"
chroot "$tree" passwd -l root >/dev/null 2>&1 || true
mv "$tree" "$image"
