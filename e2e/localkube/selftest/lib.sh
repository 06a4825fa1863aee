# Sourced by selftest.sh: checks, bounded waits, and the host's baseline.

failures=0

# check TEXT COMMAND...: one line, ok or FAIL, with the command's output if it fails.
check() {
  local text=$1 output
  shift
  if output=$("$@" 2>&1); then
    printf 'ok    %4ds  %s\n' "$SECONDS" "$text"
  else
    printf 'FAIL  %4ds  %s\n%s\n' "$SECONDS" "$text" "$(tail -n 15 <<<"$output")"
    failures=$((failures + 1))
  fi
}

refuses() { ! "$@"; }

# within SECONDS COMMAND...: repeats the command until it succeeds.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    if [ "$SECONDS" -ge "$end" ]; then return 1; fi
    sleep 0.3
  done
}

a() { timeout 400 "$bin/localkube" --name selftest-a "$@"; }
b() { timeout 400 "$bin/localkube" --name selftest-b "$@"; }
kubectl() { timeout 60 "$bin/kubectl" "$@"; }

pod_field() { kubectl -n check get pod "$1" -o "jsonpath={$2}"; }
pod_address() { pod_field "$1" .status.podIP; }
pod_node() { pod_field "$1" .spec.nodeName; }
restarts() { pod_field "$1" '.status.containerStatuses[0].restartCount'; }
in_pod() { kubectl -n check exec "$1" -- sh -ec "$2"; }

# serves POD: the pod answers the host within a second.
serves() { [ "$(timeout 2 curl --silent --max-time 1 "http://$(pod_address "$1"):8080/")" = "$1" ]; }

volume_phase() { kubectl get pv "$1" -o 'jsonpath={.status.phase}'; }
has_phase() { [ "$(volume_phase "$1")" = "$2" ]; }

clusters=/var/lib/kintsugi-localkube/clusters

# others: the slots of clusters that are not this test's, as "slot slot".
others() {
  local file
  for file in "$clusters"/*/cluster.json; do
    case $file in */selftest-?/* | "$clusters/*/"*) continue ;; esac
    sed -n 's/.*"slot": \([0-9]*\),.*/\1/p' "$file"
  done
}

# foreign: a pattern of what belongs to those others.
foreign() {
  local slot pattern='^$'
  for slot in $(others); do
    pattern+="|lkube${slot}([^0-9]|\$)|^10\.$((208 + slot))\."
  done
  echo "$pattern"
}

# host_state: everything that a cluster could leave behind, a line each, without
# what belongs to clusters that are not this test's.
host_state() {
  local skip name
  skip=$(foreign)
  ip -o link | awk -F': ' '{print $2}' | grep -vE "$skip" | sed 's/^/link /'
  ip route | grep -vE "$skip" | sed 's/^/route /'
  nft list tables | grep -vE "${skip//^/}" | sed 's/^/table /'
  ls /run/netns 2>/dev/null | sed 's/^/namespace /'
  awk '{print "mount " $2}' /proc/mounts | sort
  losetup --all --noheadings --output BACK-FILE | grep -E 'selftest-|deleted' | sed 's/^/loop /'
  find /sys/fs/cgroup -maxdepth 2 -name 'localkube-selftest*' | sed 's/^/cgroup /'
  pgrep -af 'selftest-[ab]' | grep -v selftest.sh | sed 's/^/process /'
  for name in /var/lib/kubelet /opt/containerd /run/containerd /var/log/pods /var/log/containers; do
    if [ -e "$name" ]; then echo "folder $name"; fi
  done
}

# host_settings: what clusters share, and the last one that goes restores.
host_settings() {
  local name
  for name in vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops \
    kernel.keys.root_maxkeys kernel.keys.root_maxbytes net.ipv4.ip_forward; do
    echo "sysctl $name: $(cat "/proc/sys/${name//.//}")"
  done
  ls -d /var/lib/cni 2>/dev/null
}
