package network

import (
	"errors"
	"strings"
	"testing"

	"kintsugi/e2e/localkube/launcher/internal/plan"
)

func fourNodes() plan.Plan {
	return plan.Plan{Name: "demo", Slot: 2, NodeCount: 4, VolumesPerNode: 4, VolumeSizeMiB: 1024, NodeDiskMiB: 4096}
}

func TestACutFromEveryoneDropsEveryPacketInBothDirections(t *testing.T) {
	p := fourNodes()
	inNode, onHost, err := cutRules(p, p.Nodes()[1], Cut{Inbound: true, Outbound: true})
	if err != nil {
		t.Fatal(err)
	}
	want := "table netdev localkube_cut {\n  chain arriving {\n    type filter hook ingress device \"eth0\" priority -500; policy accept;\n    drop\n  }\n}\n"
	if inNode != want {
		t.Errorf("in the node: %s", inNode)
	}
	want = "table netdev lkube2_node2 {\n  chain arriving {\n    type filter hook ingress device \"lkube2n2\" priority -500; policy accept;\n    drop\n  }\n}\n"
	if onHost != want {
		t.Errorf("on the host: %s", onHost)
	}
}

func TestAOneWayCutLeavesTheOtherDirectionAlone(t *testing.T) {
	p := fourNodes()
	inNode, onHost, err := cutRules(p, p.Nodes()[0], Cut{Inbound: true})
	if err != nil || inNode == "" || onHost != "" {
		t.Errorf("inbound: %q %q %v", inNode, onHost, err)
	}
	inNode, onHost, err = cutRules(p, p.Nodes()[0], Cut{Outbound: true})
	if err != nil || inNode != "" || onHost == "" {
		t.Errorf("outbound: %q %q %v", inNode, onHost, err)
	}
}

func TestACutFromPeersNamesTheirAddressesAndTheirPods(t *testing.T) {
	p := fourNodes()
	inNode, onHost, err := cutRules(p, p.Nodes()[0], Cut{Inbound: true, Outbound: true, Peers: []string{"node3", ControlPlane}})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(inNode, "ip saddr { 10.210.0.13/32, 10.210.19.0/24, 10.210.0.1/32, 10.210.0.2/32 } drop") {
		t.Errorf("in the node: %s", inNode)
	}
	if !strings.Contains(onHost, "ip daddr { 10.210.0.13/32, 10.210.19.0/24, 10.210.0.1/32, 10.210.0.2/32 } drop") {
		t.Errorf("on the host: %s", onHost)
	}
}

func TestSenselessCutsAreRefused(t *testing.T) {
	p := fourNodes()
	if _, _, err := cutRules(p, p.Nodes()[0], Cut{}); !errors.Is(err, ErrNothingToCut) {
		t.Errorf("no direction: %v", err)
	}
	for _, peer := range []string{"node1", "node9", "elsewhere"} {
		if _, _, err := cutRules(p, p.Nodes()[0], Cut{Inbound: true, Peers: []string{peer}}); err == nil {
			t.Errorf("a cut from %s was accepted", peer)
		}
	}
}
