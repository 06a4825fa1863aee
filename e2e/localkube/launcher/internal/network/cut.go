package network

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"kintsugi/e2e/localkube/launcher/internal/plan"
	"kintsugi/e2e/localkube/launcher/internal/state"
	"kintsugi/e2e/localkube/launcher/internal/step"
)

// ControlPlane is the name of the control plane (and of every client on the
// host) as a peer of a cut.
const ControlPlane = "control"

// nodeTable lives in the node's network namespace, so its name needs no scope.
const nodeTable = "localkube_cut"

// Cut says which packets of a node are lost without a trace. Pods' packets are
// part of it.
type Cut struct {
	// Inbound and Outbound are directions as the node sees them.
	Inbound  bool
	Outbound bool
	// Peers limits the cut to these; none means everyone.
	Peers []string
}

// ErrNothingToCut means that a cut names no direction.
var ErrNothingToCut = errors.New("a cut must name a direction")

// ApplyCut replaces a node's cut by this one. Both directions are dropped where
// a packet arrives (inbound in the node, outbound at the host's end of its
// link): a sender never learns of it, as with a cable that fails.
func ApplyCut(p plan.Plan, folder state.Folder, node plan.Node, cut Cut) error {
	inNode, onHost, err := cutRules(p, node, cut)
	if err != nil {
		return fmt.Errorf("cut %s: %w", node.Name, err)
	}
	if err := Heal(p, folder, node); err != nil {
		return err
	}
	if onHost != "" {
		if _, err := step.RunWith(step.CommandLimit, onHost, "nft", "-f", "-"); err != nil {
			return fmt.Errorf("cut %s outbound: %w", node.Name, err)
		}
	}
	if inNode != "" {
		network := "--net=" + folder.NodeNetwork(node.Name)
		if _, err := step.RunWith(step.CommandLimit, inNode, "nsenter", network, "nft", "-f", "-"); err != nil {
			return fmt.Errorf("cut %s inbound: %w", node.Name, err)
		}
	}
	return nil
}

// Heal removes a node's cut, if it has one.
func Heal(p plan.Plan, folder state.Folder, node plan.Node) error {
	network := "--net=" + folder.NodeNetwork(node.Name)
	if _, err := step.RunWith(step.CommandLimit, deleteTable(nodeTable), "nsenter", network, "nft", "-f", "-"); err != nil {
		return fmt.Errorf("heal %s inbound: %w", node.Name, err)
	}
	return healHost(p, node)
}

// DescribeCut returns the rules of a node's cut, or "" when it has none.
func DescribeCut(p plan.Plan, folder state.Folder, node plan.Node) string {
	network := "--net=" + folder.NodeNetwork(node.Name)
	inbound, _ := step.Run("nsenter", network, "nft", "list", "table", "netdev", nodeTable)
	outbound, _ := step.Run("nft", "list", "table", "netdev", hostTable(p, node))
	var parts []string
	for direction, rules := range map[string]string{"inbound": inbound, "outbound": outbound} {
		for line := range strings.Lines(rules) {
			if line = strings.TrimSpace(line); strings.HasSuffix(line, "drop") {
				parts = append(parts, direction+" "+line)
			}
		}
	}
	return strings.Join(parts, ", ")
}

func healHost(p plan.Plan, node plan.Node) error {
	if _, err := step.RunWith(step.CommandLimit, deleteTable(hostTable(p, node)), "nft", "-f", "-"); err != nil {
		return fmt.Errorf("heal %s outbound: %w", node.Name, err)
	}
	return nil
}

func hostTable(p plan.Plan, node plan.Node) string { return p.Bridge() + "_" + node.Name }

// deleteTable deletes a table whether it is there or not.
func deleteTable(name string) string {
	return fmt.Sprintf("table netdev %s {}\ndelete table netdev %s\n", name, name)
}

func cutRules(p plan.Plan, node plan.Node, cut Cut) (inNode, onHost string, err error) {
	if !cut.Inbound && !cut.Outbound {
		return "", "", ErrNothingToCut
	}
	addresses, err := peerAddresses(p, node, cut.Peers)
	if err != nil {
		return "", "", err
	}
	if cut.Inbound {
		inNode = dropTable(nodeTable, "eth0", "saddr", addresses)
	}
	if cut.Outbound {
		onHost = dropTable(hostTable(p, node), node.HostLink, "daddr", addresses)
	}
	return inNode, onHost, nil
}

func peerAddresses(p plan.Plan, node plan.Node, peers []string) ([]netip.Prefix, error) {
	var addresses []netip.Prefix
	for _, name := range peers {
		if name == ControlPlane {
			addresses = append(addresses, netip.PrefixFrom(p.ControlAddress(), 32), netip.PrefixFrom(p.Gateway().Address, 32))
			continue
		}
		peer, err := p.Node(name)
		if err != nil {
			return nil, err
		}
		if peer.Name == node.Name {
			return nil, fmt.Errorf("%s cannot be cut from itself", name)
		}
		addresses = append(addresses, netip.PrefixFrom(peer.Address, 32), peer.PodSubnet)
	}
	return addresses, nil
}

func dropTable(table, device, field string, addresses []netip.Prefix) string {
	rule := "drop"
	if len(addresses) > 0 {
		texts := make([]string, len(addresses))
		for i, address := range addresses {
			texts[i] = address.String()
		}
		rule = fmt.Sprintf("ip %s { %s } drop", field, strings.Join(texts, ", "))
	}
	return fmt.Sprintf("table netdev %s {\n  chain arriving {\n    type filter hook ingress device \"%s\" priority -500; policy accept;\n    %s\n  }\n}\n", table, device, rule)
}
