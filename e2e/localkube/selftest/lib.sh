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

# host_state: everything that a cluster could leave behind.
host_state() {
  echo "links: $(ip -o link | awk -F': ' '{print $2}' | tr '\n' ' ')"
  echo "routes: $(ip route | tr '\n' ';')"
  echo "namespaces: $(ls /run/netns 2>/dev/null | tr '\n' ' ')"
  echo "mounts: $(awk '{print $2}' /proc/mounts | sort | tr '\n' ' ')"
  echo "loops: $(losetup --all --noheadings --output BACK-FILE | sort | tr '\n' ' ')"
  echo "tables: $(nft list tables | tr '\n' ' ')"
  echo "cgroups: $(find /sys/fs/cgroup -maxdepth 2 -name 'localkube*' | sort | tr '\n' ' ')"
  echo "processes: $(pgrep -lf 'localkube|containerd|kubelet|kube-proxy' | grep -c kintsugi-localkube || true)"
  for name in vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops \
    kernel.keys.root_maxkeys kernel.keys.root_maxbytes net.ipv4.ip_forward; do
    echo "sysctl $name: $(cat "/proc/sys/${name//.//}")"
  done
  echo "folders: $(ls -d /var/lib/cni /var/lib/kubelet /opt/containerd /run/containerd /var/log/pods /var/log/containers 2>/dev/null | tr '\n' ' ')"
}
