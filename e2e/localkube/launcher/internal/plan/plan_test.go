package plan

import (
	"net/netip"
	"testing"
)

func valid(slot int) Plan {
	return Plan{Name: "demo", Slot: slot, NodeCount: MaxNodes, VolumesPerNode: 4, VolumeSizeMiB: 1024, NodeDiskMiB: 4096}
}

func TestTheSameNameAlwaysPrefersTheSameSlot(t *testing.T) {
	for _, name := range []string{"demo", "test", "a", "e2e-1"} {
		slot := PreferredSlot(name)
		if slot != PreferredSlot(name) || slot < 0 || slot >= Slots {
			t.Errorf("%s: slot %d", name, slot)
		}
	}
}

func TestDifferentSlotsShareNothing(t *testing.T) {
	seen := map[string]int{}
	for slot := range Slots {
		p := valid(slot)
		claims := []string{p.Range().String(), p.LoopbackAddress().String(), p.Bridge()}
		for _, node := range p.Nodes() {
			claims = append(claims, node.HostLink, node.Address.String(), node.PodSubnet.String())
		}
		for _, claim := range claims {
			if other, taken := seen[claim]; taken {
				t.Errorf("%s is claimed by slots %d and %d", claim, other, slot)
			}
			seen[claim] = slot
		}
	}
}

func TestSubnetsOfOneSlotLieInItsRangeAndDoNotOverlap(t *testing.T) {
	p := valid(3)
	subnets := []netip.Prefix{p.NodeSubnet(), p.ServiceRange()}
	for _, node := range p.Nodes() {
		subnets = append(subnets, node.PodSubnet)
		if !p.PodRange().Contains(node.PodSubnet.Addr()) || !p.NodeSubnet().Contains(node.Address) {
			t.Errorf("%s: %s %s", node.Name, node.PodSubnet, node.Address)
		}
	}
	for i, subnet := range subnets {
		if !p.Range().Overlaps(subnet) || subnet.Masked() != subnet {
			t.Errorf("%s is not a subnet of %s", subnet, p.Range())
		}
		for _, other := range subnets[i+1:] {
			if subnet.Overlaps(other) {
				t.Errorf("%s overlaps %s", subnet, other)
			}
		}
	}
}

func TestInterfaceNamesFitTheKernelsLimit(t *testing.T) {
	p := valid(Slots - 1)
	for _, node := range p.Nodes() {
		if len(node.HostLink) > 15 {
			t.Errorf("%s has more than 15 characters", node.HostLink)
		}
	}
}

func TestFourNodesAreDealtOverThreeZones(t *testing.T) {
	p := valid(0)
	p.NodeCount = 4
	want := []string{"zone-a", "zone-b", "zone-c", "zone-a"}
	for i, node := range p.Nodes() {
		if node.Zone != want[i] {
			t.Errorf("%s is in %s, want %s", node.Name, node.Zone, want[i])
		}
	}
}

func TestInvalidPlansAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Plan){
		"empty name":     func(p *Plan) { p.Name = "" },
		"path in name":   func(p *Plan) { p.Name = "../etc" },
		"long name":      func(p *Plan) { p.Name = "aaaaaaaaaaaaaaaaaaaaa" },
		"trailing dash":  func(p *Plan) { p.Name = "demo-" },
		"negative slot":  func(p *Plan) { p.Slot = -1 },
		"no nodes":       func(p *Plan) { p.NodeCount = 0 },
		"too many nodes": func(p *Plan) { p.NodeCount = MaxNodes + 1 },
		"no volumes":     func(p *Plan) { p.VolumesPerNode = 0 },
		"tiny volumes":   func(p *Plan) { p.VolumeSizeMiB = 1 },
	} {
		p := valid(0)
		change(&p)
		if p.Validate() == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if err := valid(0).Validate(); err != nil {
		t.Error(err)
	}
}
