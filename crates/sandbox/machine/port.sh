# Plugs a machine into its router. There is no bridge: the router answers for every address the machine asks for and
# forwards, so that one place sees, and may drop, all traffic, that between neighbours too.
#   port.sh ROUTER NETNS PORT MAC ADDRESS PREFIX SUBNET GATEWAY MTU
# Prints the port's interface index in the router.
set -eu
router=$1 netns=$2 port=$3 mac=$4 address=$5 prefix=$6 subnet=$7 gateway=$8 mtu=$9
ip netns add "$netns"
ip -n "$router" link add "$port" mtu "$mtu" type veth \
    peer name eth0 mtu "$mtu" address "$mac" netns "$netns"
ip netns exec "$router" sh -euc '
    echo 1 >"/proc/sys/net/ipv4/conf/$1/proxy_arp"
    echo 0 >"/proc/sys/net/ipv4/neigh/$1/proxy_delay"' sh "$port"
ip -n "$router" -batch - <<BATCH
addr add $gateway/32 dev $port
addr add fe80::a9fe:a9fe/64 dev $port nodad
link set $port up
route replace unreachable $subnet
route replace $address/32 dev $port
BATCH
ip -n "$netns" -batch - <<BATCH
link set lo up
addr add $address/$prefix dev eth0
link set eth0 up
route add default via $gateway dev eth0
BATCH
ip -n "$router" -o link show dev "$port" | cut -d: -f1
