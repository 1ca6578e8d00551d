# First process in a machine's namespaces: joins the machine's control groups, which become the roots of its own view
# of them, then goes on as init.sh.
#   join.sh INIT GROUP...
set -eu
init=$1
shift
for group in "$@"; do
    echo 0 >"$group/cgroup.procs"
done
exec unshare --cgroup -- sh -c "$init" init
