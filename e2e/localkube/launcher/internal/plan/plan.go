// Package plan derives everything that a cluster claims on the host from its
// name: a slot, and from the slot its subnets, addresses and interface names.
//
// It guarantees that two plans with different slots share nothing. It assumes
// that someone else has checked that the slot is free, and it never looks at
// the host.
package plan

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"regexp"
)

// Limits of a plan.
const (
	// Slots is how many clusters fit on one host.
	Slots = 16
	// MaxNodes is bounded by the pod subnets that fit into a slot's range.
	MaxNodes = 9
	// MaxVolumesPerNode keeps the number of loop devices reasonable.
	MaxVolumesPerNode = 16
	// Zones is how many failure zones the nodes are dealt over.
	Zones = 3

	firstPrefixByte  = 208
	loopbackByte     = 77
	firstPodSubnet   = 16
	firstServiceByte = 128
	firstNodeHost    = 10
)

var validName = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,18}[a-z0-9])?$`)

// Plan is a cluster's shape. It is written into the cluster's state folder, so
// that every later command works with what `up` decided.
type Plan struct {
	Name           string `json:"name"`
	Slot           int    `json:"slot"`
	NodeCount      int    `json:"node_count"`
	VolumesPerNode int    `json:"volumes_per_node"`
	VolumeSizeMiB  int    `json:"volume_size_mib"`
	NodeDiskMiB    int    `json:"node_disk_mib"`
}

// Node is one Kubernetes node of a plan: a network namespace with an address
// on the cluster's bridge and a subnet for its pods.
type Node struct {
	Index     int
	Name      string
	Zone      string
	Address   netip.Addr
	PodSubnet netip.Prefix
	// HostLink is the host's end of the node's veth pair.
	HostLink string
}

// Validate says what is wrong with a plan, and what would be right.
func (p Plan) Validate() error {
	switch {
	case !validName.MatchString(p.Name):
		return fmt.Errorf("cluster name %q: use 1 to 20 of a-z, 0-9 and -, starting with a letter and not ending with -", p.Name)
	case p.Slot < 0 || p.Slot >= Slots:
		return fmt.Errorf("slot %d: must be from 0 to %d", p.Slot, Slots-1)
	case p.NodeCount < 1 || p.NodeCount > MaxNodes:
		return fmt.Errorf("%d nodes: must be from 1 to %d", p.NodeCount, MaxNodes)
	case p.VolumesPerNode < 1 || p.VolumesPerNode > MaxVolumesPerNode:
		return fmt.Errorf("%d volumes a node: must be from 1 to %d", p.VolumesPerNode, MaxVolumesPerNode)
	case p.VolumeSizeMiB < 64:
		return fmt.Errorf("volumes of %d MiB: must be at least 64", p.VolumeSizeMiB)
	case p.NodeDiskMiB < 1024:
		return fmt.Errorf("node disk of %d MiB: must be at least 1024", p.NodeDiskMiB)
	}
	return nil
}

// PreferredSlot is the slot that a name asks for first; when it is taken the
// next ones are tried in turn.
func PreferredSlot(name string) int {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(name)) // A hash's Write never fails.
	return int(hash.Sum32() % Slots)
}

// Range is everything inside the host's address space that the cluster uses,
// apart from its loopback address.
func (p Plan) Range() netip.Prefix { return p.prefix(0, 16) }

// NodeSubnet is the bridge's subnet: the control plane and the nodes.
func (p Plan) NodeSubnet() netip.Prefix { return p.prefix(0, 24) }

// PodRange holds the pod subnets of all nodes.
func (p Plan) PodRange() netip.Prefix { return p.prefix(firstPodSubnet, 20) }

// ServiceRange holds the virtual addresses of Services.
func (p Plan) ServiceRange() netip.Prefix { return p.prefix(firstServiceByte, 20) }

// ControlAddress is the host's address on the bridge, where the API server and
// CoreDNS listen.
func (p Plan) ControlAddress() netip.Addr { return p.address(0, 1) }

// Gateway is a network namespace without a kubelet, through which the host
// reaches the virtual addresses of Services. No fault touches it.
func (p Plan) Gateway() Node {
	return Node{Name: "gateway", Address: p.address(0, 2), HostLink: fmt.Sprintf("lkube%dgw", p.Slot)}
}

// LoopbackAddress is where the parts of the control plane listen that only the
// control plane talks to. Every slot has its own, so ports never clash.
func (p Plan) LoopbackAddress() netip.Addr {
	return netip.AddrFrom4([4]byte{127, loopbackByte, byte(p.Slot), 1})
}

// APIServiceAddress is the address of the Service `kubernetes`.
func (p Plan) APIServiceAddress() netip.Addr { return p.address(firstServiceByte, 1) }

// DNSServiceAddress is the address of the Service `kube-dns`.
func (p Plan) DNSServiceAddress() netip.Addr { return p.address(firstServiceByte, 10) }

// Bridge is the name of the cluster's bridge on the host.
func (p Plan) Bridge() string { return fmt.Sprintf("lkube%d", p.Slot) }

// Cgroup is the cluster's control group, relative to a hierarchy's root.
func (p Plan) Cgroup() string { return "/localkube-" + p.Name }

// Nodes lists the nodes in order.
func (p Plan) Nodes() []Node {
	nodes := make([]Node, 0, p.NodeCount)
	for index := 1; index <= p.NodeCount; index++ {
		nodes = append(nodes, Node{
			Index:     index,
			Name:      fmt.Sprintf("node%d", index),
			Zone:      fmt.Sprintf("zone-%c", 'a'+(index-1)%Zones),
			Address:   p.address(0, byte(firstNodeHost+index)),
			PodSubnet: p.prefix(byte(firstPodSubnet+index), 24),
			HostLink:  fmt.Sprintf("lkube%dn%d", p.Slot, index),
		})
	}
	return nodes
}

// Node finds a node by name.
func (p Plan) Node(name string) (Node, error) {
	for _, node := range p.Nodes() {
		if node.Name == name {
			return node, nil
		}
	}
	return Node{}, fmt.Errorf("cluster %s has no node %q: it has node1 to node%d", p.Name, name, p.NodeCount)
}

func (p Plan) address(third, fourth byte) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(firstPrefixByte + p.Slot), third, fourth})
}

func (p Plan) prefix(third byte, bits int) netip.Prefix {
	return netip.PrefixFrom(p.address(third, 0), bits)
}
