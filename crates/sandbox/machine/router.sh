# Makes the router of one network: a namespace with an uplink to the host, without ports yet.
#   router.sh NETNS LINK TRANSIT HOST MTU
# LINK is the uplink's end on the host, TRANSIT the router's own address, HOST the host's address on every uplink.
set -eu
netns=$1 link=$2 transit=$3 host=$4 mtu=$5
ip netns add "$netns"
ip link add "$link" mtu "$mtu" type veth peer name uplink mtu "$mtu" netns "$netns"
echo 1 >"/proc/sys/net/ipv6/conf/$link/disable_ipv6" 2>/dev/null || true
ip addr add "$host/32" dev "$link"
ip link set "$link" up
ip route add "$transit/32" dev "$link" src "$host"
ip -n "$netns" -batch - <<BATCH
link set lo up
link set uplink up
addr add $transit/32 dev uplink
addr add 169.254.169.254/32 dev lo
route add $host/32 dev uplink
route add default via $host dev uplink
BATCH
ip netns exec "$netns" sh -euc '
    echo 1 >/proc/sys/net/ipv4/ip_forward
    # Bytes are counted, so that a test can cut a connection in its middle.
    echo 1 >/proc/sys/net/netfilter/nf_conntrack_acct
    for kind in all default uplink; do
        echo 0 >/proc/sys/net/ipv4/conf/$kind/rp_filter
        echo 0 >/proc/sys/net/ipv4/conf/$kind/send_redirects
    done'
