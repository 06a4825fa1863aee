#!/bin/bash
# Shows on this machine that localkube does what README.md says: ok or FAIL for
# each check, exit code 1 if any fails. Takes about 4 minutes once everything is
# built; leaves no cluster running.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home=$("$here/setup.sh") || exit 1
bin=$home/bin
. "$here/selftest/lib.sh"
cleanup() {
  b down >/dev/null 2>&1
  a down >/dev/null 2>&1
}
trap cleanup EXIT
cleanup
before=$(host_state)
settings_before=$(host_settings)
others_before=$(others)

check "preflight accepts this host" a preflight
check "preflight refuses more memory than there is" refuses a preflight --nodes 99
check "up with 4 nodes" a up
check "up again changes nothing" a up
export KUBECONFIG=$(a kubeconfig)

four_zones() { [ "$(kubectl get nodes -L topology.kubernetes.io/zone --no-headers | awk '{print $NF}' | tr '\n' ' ')" = "zone-a zone-b zone-c zone-a " ]; }
check "nodes are dealt over zones a, b, c" four_zones
check "pods with volumes apply in a restricted namespace" kubectl apply -f "$here/selftest/web.yaml"
check "their claims bind and they become ready" kubectl -n check rollout status statefulset/web --timeout=60s
check "a privileged pod is refused there" refuses kubectl -n check run bad --image=localhost/localkube-probe:1 --privileged
check "a non-root pod writes to its volume through fsGroup" in_pod web-0 'test "$(id -u)" = 10001; echo x >/data/x'
check "a headless service's name resolves in a pod" in_pod web-0 'timeout 3 wget -qO- http://web-1.web.check.svc.cluster.local:8080 | grep -qx web-1'
check "a service's virtual address works in a pod" in_pod web-0 'timeout 3 wget -qO- http://web-virtual:8080 | grep -q web-'
from_host() { a host-exec curl --silent --max-time 2 "http://$1:8080/" | grep -q '^web-'; }
check "a pod's name works on the host" within 5 from_host web-2.web.check
check "so does a service's, by its virtual address" within 5 from_host web-virtual.check
check "logs are served" bash -c "$(declare -f kubectl); bin=$bin; kubectl -n check logs web-0 | grep -qx serving"

# --- metrics
check "metrics-server runs and its API is Available" "$here/metrics-server/install.sh" selftest-a
check "kubectl top shows what pods use" within 60 kubectl -n check top pod web-0

# --- processes
before_kill=$(restarts web-1)
check "kill" a kill check/web-1
restarted() { [ "$(restarts web-1)" -gt "$before_kill" ] && serves web-1; }
check "the killed container comes back" within 30 restarted
check "freeze" a freeze check/web-2
check "a frozen pod does not answer" refuses serves web-2
check "revive" a revive check/web-2
check "a revived pod answers" within 10 serves web-2

# --- cuts
cut_node=$(pod_node web-0)
peer_node=$(pod_node web-1)
reaches() { in_pod "$1" "timeout 2 wget -qO- http://$(pod_address "$2"):8080 >/dev/null"; }
check "before a cut, peers reach the pod" reaches web-1 web-0
check "cut from one peer" a cut "$cut_node" --from "$peer_node"
check "that peer's pod does not reach it" refuses reaches web-1 web-0
check "another peer's pod does" reaches web-2 web-0
check "the host does" serves web-0
check "status shows the cut" bash -c "'$bin/localkube' --name selftest-a status | grep -q 'cut:'"
check "heal" a heal "$cut_node"
check "the peer's pod reaches it again" within 5 reaches web-1 web-0
# One-way: a datagram from the peer arrives unless the inbound direction is cut.
node_address=$(kubectl get node "$cut_node" -o 'jsonpath={.status.addresses[?(@.type=="InternalIP")].address}')
datagram_arrives() {
  local got
  got=$(mktemp)
  a node-exec "$cut_node" timeout 2 socat -u UDP-RECV:9999 "OPEN:$got,append" &
  sleep 0.7
  a node-exec "$peer_node" sh -c "echo arrived | socat -u - UDP-SENDTO:$node_address:9999"
  wait $!
  grep -q arrived "$got"
}
check "a datagram arrives" datagram_arrives
check "cut outbound only" a cut "$cut_node" --outbound
check "a datagram still arrives" datagram_arrives
check "but no answer leaves" refuses serves web-0
check "cut inbound only" a cut "$cut_node" --inbound
check "no datagram arrives" refuses datagram_arrives
check "heal" a heal "$cut_node"
check "the pod serves again" within 5 serves web-0

# --- power
off_node=$(pod_node web-0)
in_pod web-0 'dd if=/dev/zero of=/data/log bs=1k count=64 conv=fsync 2>/dev/null; sync /data'
in_pod web-0 'echo synced >>/data/log; dd if=/dev/null of=/data/log conv=fsync,notrunc oflag=append 2>/dev/null; echo unsynced-tail >>/data/log; echo new >/data/unsynced-file'
tail_there() { in_pod web-0 'tail -n 1 /data/log' | grep -qx "$1"; }
check "before the power loss the tail is readable" tail_there unsynced-tail
check "power-off" a power-off "$off_node"
check "a node without power does not answer" refuses serves web-0
check "power-on" a power-on "$off_node"
check "its pod comes back" within 60 serves web-0
check "what was synced is there" tail_there synced
check "the unsynced file is gone" in_pod web-0 'test ! -e /data/unsynced-file'

# --- volumes
volume=$(kubectl -n check get pvc data-web-2 -o 'jsonpath={.spec.volumeName}')
kubectl -n check scale statefulset/web --replicas=2 >/dev/null
check "a pod goes" kubectl -n check wait --for=delete pod/web-2 --timeout=30s
check "its claim is deleted" kubectl -n check delete pvc data-web-2 --timeout=30s
check "the volume is kept, Released" within 10 has_phase "$volume" Released
check "recycle-volumes" a recycle-volumes
check "the volume is Available" within 10 has_phase "$volume" Available
volume_folder=$(kubectl get pv "$volume" -o 'jsonpath={.spec.local.path}')
volume_holds() { a node-exec "${volume%%-*}" ls "$volume_folder" | grep -qx "$1"; }
check "and its old files are gone" refuses volume_holds index.html

# --- two clusters, and one that was killed while it started
"$bin/localkube" --name selftest-b up --nodes 2 >/dev/null 2>&1 &
starting=$!
sleep 4
kill -9 "$starting"
wait "$starting" 2>/dev/null
check "up after an up that was killed" b up --nodes 2
both_ready() { [ "$(KUBECONFIG=$(b kubeconfig) kubectl get nodes --no-headers | grep -cw Ready)" = 2 ] && serves web-0; }
check "two clusters run side by side" both_ready
check "down of one" b down
check "leaves the other alone" serves web-0
check "a cluster that is down again is no error" b down
check "down" a down
same_as_before() { diff <(echo "$before") <(host_state); }
check "the host is as it was before" within 10 same_as_before
same_settings() { diff <(echo "$settings_before") <(host_settings); }
if [ -z "$others_before$(others)" ]; then
  check "its settings too" same_settings
else
  echo "skip         its settings: other clusters run, the last one to go restores them"
fi

echo "$failures checks failed"
[ "$failures" = 0 ]
