// Package network connects a cluster: a bridge on the host, and for each node a
// network namespace with one end of a veth pair.
//
// Nodes reach each other's pods over the bridge by routes of their own, so the
// host forwards nothing and none of its settings change. Node network
// namespaces are bound inside the cluster's mount namespace and end with it.
package network

import (
	"fmt"
	"os"
	"path/filepath"

	"kintsugi/e2e/localkube/launcher/internal/plan"
	"kintsugi/e2e/localkube/launcher/internal/state"
	"kintsugi/e2e/localkube/launcher/internal/step"
)

// CreateBridge makes the cluster's bridge with the control plane's address.
func CreateBridge(p plan.Plan) error {
	address := fmt.Sprintf("%s/%d", p.ControlAddress(), p.NodeSubnet().Bits())
	err := step.Each(
		[]string{"ip", "link", "add", p.Bridge(), "type", "bridge"},
		[]string{"ip", "address", "add", address, "dev", p.Bridge()},
		[]string{"ip", "link", "set", p.Bridge(), "up"},
	)
	if err != nil {
		return fmt.Errorf("create bridge: %w", err)
	}
	return nil
}

// ConnectNode makes a node's network namespace and its link to the bridge.
func ConnectNode(p plan.Plan, folder state.Folder, node plan.Node) error {
	commands := append(linkCommands(p, node),
		[]string{"nsenter", "--net=" + folder.NodeNetwork(node.Name), "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"},
		[]string{"ip", "route", "replace", node.PodSubnet.String(), "via", node.Address.String(), "dev", p.Bridge()},
	)
	if err := step.Each(commands...); err != nil {
		return fmt.Errorf("connect %s: %w", node.Name, err)
	}
	return nil
}

// ConnectGateway makes the namespace through which the host reaches Services,
// and the host's route to it.
func ConnectGateway(p plan.Plan, folder state.Folder) error {
	gateway := p.Gateway()
	settings := "cd /proc/sys/net/ipv4 && echo 1 >ip_forward && echo 0 >conf/all/send_redirects && echo 0 >conf/eth0/send_redirects"
	commands := append(linkCommands(p, gateway),
		// What it forwards leaves by the interface on which it came.
		[]string{"nsenter", "--net=" + folder.NodeNetwork(gateway.Name), "sh", "-ec", settings},
		[]string{"ip", "route", "add", p.ServiceRange().String(), "via", gateway.Address.String(), "dev", p.Bridge()},
	)
	if err := step.Each(commands...); err != nil {
		return fmt.Errorf("connect the gateway: %w", err)
	}
	return nil
}

// linkCommands make a network namespace, its link to the bridge, and its routes
// to the host and to every other node's pods.
func linkCommands(p plan.Plan, node plan.Node) [][]string {
	address := fmt.Sprintf("%s/%d", node.Address, p.NodeSubnet().Bits())
	inNode := func(arguments ...string) []string { return append([]string{"ip", "-n", node.Name}, arguments...) }
	commands := [][]string{
		{"ip", "netns", "add", node.Name},
		{"ip", "link", "add", node.HostLink, "type", "veth", "peer", "name", "eth0", "netns", node.Name},
		{"ip", "link", "set", node.HostLink, "master", p.Bridge(), "up"},
		inNode("link", "set", "lo", "up"),
		inNode("address", "add", address, "dev", "eth0"),
		inNode("link", "set", "eth0", "up"),
		inNode("route", "add", "default", "via", p.ControlAddress().String()),
	}
	for _, peer := range p.Nodes() {
		if peer.Name != node.Name {
			commands = append(commands, inNode("route", "add", peer.PodSubnet.String(), "via", peer.Address.String()))
		}
	}
	return commands
}

// LinkDown cuts a node's cable: nothing that its processes still send, a FIN
// of a dying process included, reaches anyone.
func LinkDown(node plan.Node) error {
	if !exists(node.HostLink) {
		return nil
	}
	if _, err := step.Run("ip", "link", "set", node.HostLink, "down"); err != nil {
		return fmt.Errorf("cut the link of %s: %w", node.Name, err)
	}
	return nil
}

// DisconnectNode removes a node's link, its cuts on the host and its network
// namespace. Parts that are gone already are fine.
func DisconnectNode(p plan.Plan, folder state.Folder, node plan.Node) error {
	if err := healHost(p, node); err != nil {
		return err
	}
	if exists(node.HostLink) {
		if _, err := step.Run("ip", "link", "delete", node.HostLink); err != nil {
			return fmt.Errorf("disconnect %s: %w", node.Name, err)
		}
	}
	if _, err := os.Stat(folder.NodeNetwork(node.Name)); err == nil {
		if _, err := step.Run("ip", "netns", "delete", node.Name); err != nil {
			return fmt.Errorf("disconnect %s: %w", node.Name, err)
		}
	}
	return nil
}

// RemoveHostParts removes what lies in the host's network namespace: cuts,
// links, the bridge, and with it the routes.
func RemoveHostParts(p plan.Plan) error {
	// A killed run may have planned more nodes than this record knows.
	everyNode := p
	everyNode.NodeCount = plan.MaxNodes
	for _, node := range append(everyNode.Nodes(), p.Gateway()) {
		if err := healHost(p, node); err != nil {
			return err
		}
		if exists(node.HostLink) {
			if _, err := step.Run("ip", "link", "delete", node.HostLink); err != nil && exists(node.HostLink) {
				return fmt.Errorf("remove link: %w", err)
			}
		}
	}
	if exists(p.Bridge()) {
		if _, err := step.Run("ip", "link", "delete", p.Bridge()); err != nil {
			return fmt.Errorf("remove bridge: %w", err)
		}
	}
	return nil
}

func exists(link string) bool {
	_, err := os.Stat(filepath.Join("/sys/class/net", link))
	return err == nil
}
