package preflight

import (
	"net/netip"
	"strings"
	"testing"
)

func TestRoutesOfTheHostAreRead(t *testing.T) {
	text := "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
		"eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n" +
		"lkube3\t0000D30A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
	routes := parseRoutes(text)
	if len(routes) != 2 || routes[0].prefix.Bits() != 0 || routes[1].prefix != netip.MustParsePrefix("10.211.0.0/24") {
		t.Errorf("got %v", routes)
	}
}

func TestSubnetsOfTheHostConflictAndRoutesToEverywhereDoNot(t *testing.T) {
	wanted := netip.MustParsePrefix("10.211.0.0/16")
	for existing, conflict := range map[string]bool{
		"0.0.0.0/0": false, "10.0.0.0/8": false, "10.208.0.0/12": true, "10.211.0.0/16": true,
		"10.211.7.0/24": true, "10.212.0.0/16": false, "192.168.0.0/16": false,
	} {
		if conflicts(netip.MustParsePrefix(existing), wanted) != conflict {
			t.Errorf("%s: want conflict %t", existing, conflict)
		}
	}
}

func TestAvailableMemoryIsReadInMiB(t *testing.T) {
	got, err := availableMiB("MemTotal: 100 kB\nMemAvailable:    2097152 kB\n")
	if err != nil || got != 2048 {
		t.Errorf("got %d, %v", got, err)
	}
	if _, err := availableMiB("MemTotal: 100 kB\n"); err == nil {
		t.Error("a missing line was accepted")
	}
}

func TestForeignEnginesAreNamedAndOwnAndIdleOnesAreNot(t *testing.T) {
	got := otherEngines([]command{
		{pid: "1", name: "containerd", cgroups: "0::/system.slice/containerd.service"},
		{pid: "2", name: "kubelet", cgroups: "5:pids:/localkube-demo/node1/system"},
		{pid: "3", name: "containerd-shim", cgroups: "5:pids:/localkube-demo/node1/system"},
		{pid: "4", name: "dockerd", cgroups: "0::/system.slice/docker.service"},
	})
	if len(got) != 1 || !strings.Contains(got[0], "dockerd") || !strings.Contains(got[0], "systemctl stop docker") {
		t.Errorf("got %q", got)
	}
}

func TestAStateFolderThatTheClusterWouldCoverIsRefused(t *testing.T) {
	for _, folder := range []string{"/run/x", "/var/log"} {
		if len(diskProblems(folder, planOfFour())) == 0 {
			t.Errorf("%s was accepted", folder)
		}
	}
}
