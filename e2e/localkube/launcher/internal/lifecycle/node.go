package lifecycle

import (
	"fmt"
	"os"
	"time"

	"kintsugi/e2e/localkube/launcher/internal/cgroup"
	"kintsugi/e2e/localkube/launcher/internal/disk"
	"kintsugi/e2e/localkube/launcher/internal/plan"
	"kintsugi/e2e/localkube/launcher/internal/step"
)

const (
	runtimeLimit = 60 * time.Second
	runtimePoll  = 100 * time.Millisecond
)

// createDisks makes and mounts a node's own disk (number 0) and its volumes.
func (c *Cluster) createDisks(node plan.Node) error {
	for number := 0; number <= c.Plan.VolumesPerNode; number++ {
		size := c.Plan.VolumeSizeMiB
		if number == 0 {
			size = c.Plan.NodeDiskMiB
		}
		if err := disk.Create(c.Folder.DiskImage(node.Name, number), size); err != nil {
			return err
		}
	}
	return c.mountDisks(node)
}

// mountDisks mounts a node's disks. Each may be mounted already.
func (c *Cluster) mountDisks(node plan.Node) error {
	for number := 0; number <= c.Plan.VolumesPerNode; number++ {
		if err := disk.Mount(c.Folder.DiskImage(node.Name, number), c.diskMount(node, number)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) diskMount(node plan.Node, number int) string {
	if number == 0 {
		return c.Folder.NodeDisk(node.Name)
	}
	return c.Folder.Volume(node.Name, number)
}

// startRuntime starts a node's containerd and waits until it answers.
func (c *Cluster) startRuntime(node plan.Node) error {
	if err := os.MkdirAll(c.Folder.NodeRun(node.Name), 0o755); err != nil {
		return fmt.Errorf("make the /run of %s: %w", node.Name, err)
	}
	if err := cgroup.Create(c.systemGroup(node)); err != nil {
		return err
	}
	runtime, err := c.spawnInNode(node, "containerd", "containerd", "--config", c.Folder.NodeFile(node.Name, "containerd.toml"))
	if err != nil {
		return err
	}
	return step.Wait("containerd on "+node.Name, runtimeLimit, runtimePoll, func() (string, error) {
		if err := runtime.check(); err != nil {
			return "", err
		}
		if _, err := step.RunWith(5*time.Second, "", "ctr", "--address", c.Folder.Socket(node.Name), "version"); err != nil {
			return "it does not answer on its socket", nil
		}
		return "", nil
	})
}

// startKubelet starts a node's kubelet and kube-proxy.
func (c *Cluster) startKubelet(node plan.Node) error {
	_, err := c.spawnInNode(node, "kubelet", c.Self, KeepRunning, c.Kube, "kubelet",
		"--config="+c.Folder.NodeFile(node.Name, "kubelet.yaml"),
		"--kubeconfig="+c.Folder.Path(node.Name+".kubeconfig"),
		"--root-dir="+c.Folder.NodeDisk(node.Name)+"/kubelet",
		"--cert-dir="+c.Folder.NodeDisk(node.Name)+"/kubelet-pki",
		"--hostname-override="+node.Name,
		"--node-ip="+node.Address.String(),
		"--node-labels=topology.kubernetes.io/region=local,topology.kubernetes.io/zone="+node.Zone,
	)
	if err != nil {
		return err
	}
	_, err = c.spawnInNode(node, "kube-proxy", c.Self, KeepRunning, c.Kube, "kube-proxy", "--config="+c.Folder.NodeFile(node.Name, "kube-proxy.yaml"))
	return err
}

// startGateway starts the kube-proxy through which the host reaches Services. It
// speaks as the first node: it needs some node's name to be started by.
func (c *Cluster) startGateway() error {
	gateway, first := c.Plan.Gateway(), c.Plan.Nodes()[0]
	_, err := c.spawn("gateway-kube-proxy", c.controlGroup(),
		"nsenter", "--net="+c.Folder.NodeNetwork(gateway.Name), "--",
		c.Self, KeepRunning, c.Kube, "kube-proxy", "--config="+c.Folder.NodeFile(first.Name, "kube-proxy.yaml"))
	return err
}

// spawnInNode starts a program in a node's network namespace and control group.
// It enters the namespace by nsenter and not by `ip netns exec`, which would
// mount a new /sys and so hide the control groups from the kubelet.
func (c *Cluster) spawnInNode(node plan.Node, name string, argv ...string) (daemon, error) {
	argv = append([]string{"nsenter", "--net=" + c.Folder.NodeNetwork(node.Name), "--"}, argv...)
	return c.spawn(node.Name+"-"+name, c.systemGroup(node), argv...)
}
