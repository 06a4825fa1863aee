package lifecycle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"kintsugi/e2e/localkube/launcher/internal/cgroup"
	"kintsugi/e2e/localkube/launcher/internal/disk"
	"kintsugi/e2e/localkube/launcher/internal/network"
	"kintsugi/e2e/localkube/launcher/internal/plan"
	"kintsugi/e2e/localkube/launcher/internal/step"
)

// PowerOff takes a node's power away. The link goes first, so that nobody sees
// a FIN or RST of its dying processes; then the processes; then the disks stop
// with nothing more written back, so that what was not synced is lost. Calling
// it again finishes a run that was interrupted.
func (c *Cluster) PowerOff(node plan.Node) error {
	if err := network.LinkDown(node); err != nil {
		return err
	}
	cutAt := time.Now()
	marker := c.Folder.NodeFile(node.Name, "powered-off")
	if err := os.WriteFile(marker, nil, 0o644); err != nil {
		return fmt.Errorf("power off %s: %w", node.Name, err)
	}
	if err := c.removeNode(node); err != nil {
		return err
	}
	step.Say("%s is off; its link went down at unix %d ms", node.Name, cutAt.UnixMilli())
	return nil
}

// removeNode takes away everything of a node but its disk images. Parts that
// are gone already are fine.
func (c *Cluster) removeNode(node plan.Node) error {
	if err := cgroup.Kill(c.nodeGroup(node)); err != nil {
		return err
	}
	if err := c.cutDisks(node); err != nil {
		return err
	}
	if err := network.DisconnectNode(c.Plan, c.Folder, node); err != nil {
		return err
	}
	if err := os.RemoveAll(c.Folder.NodeRun(node.Name)); err != nil {
		return fmt.Errorf("power off %s: %w", node.Name, err)
	}
	return cgroup.Remove(c.nodeGroup(node))
}

// cutDisks stops the node's file systems where they are and unmounts them.
func (c *Cluster) cutDisks(node plan.Node) error {
	mounts := []string{c.Folder.NodeRun(node.Name)}
	for number := 0; number <= c.Plan.VolumesPerNode; number++ {
		at := c.diskMount(node, number)
		mounts = append(mounts, at)
		mounted, err := disk.Mounted(at)
		if err != nil {
			return err
		}
		if !mounted {
			continue // An interrupted run got this far.
		}
		if err := disk.PowerCut(at); err != nil {
			return err
		}
	}
	if err := disk.UnmountBelow(mounts...); err != nil {
		return err
	}
	for number := 0; number <= c.Plan.VolumesPerNode; number++ {
		if err := disk.WaitDetached(c.Folder.DiskImage(node.Name, number)); err != nil {
			return err
		}
	}
	return nil
}

// PowerOn starts a node that was powered off, as a machine boots: its disks
// replay their journals, its /run is empty, its pods are started by its kubelet.
func (c *Cluster) PowerOn(node plan.Node) error {
	if !c.Folder.PoweredOff(node.Name) {
		return fmt.Errorf("power on %s: it is not off", node.Name)
	}
	// What an interrupted PowerOff or PowerOn left.
	if err := c.removeNode(node); err != nil {
		return err
	}
	if err := network.ConnectNode(c.Plan, c.Folder, node); err != nil {
		return err
	}
	if err := c.mountDisks(node); err != nil {
		return err
	}
	if err := c.startRuntime(node); err != nil {
		return err
	}
	if err := c.startKubelet(node); err != nil {
		return err
	}
	err := os.Remove(c.Folder.NodeFile(node.Name, "powered-off"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("power on %s: %w", node.Name, err)
	}
	return c.waitNodeReady(node)
}

// waitNodeReady waits until the node's kubelet itself reports: before it does,
// the API server still shows what was true before the power went.
func (c *Cluster) waitNodeReady(node plan.Node) error {
	api, err := c.API()
	if err != nil {
		return err
	}
	since := time.Now().Add(-time.Second)
	return step.Wait(node.Name+" to report that it is Ready", readyLimit, readyPoll, func() (string, error) {
		var lease struct{ Spec struct{ RenewTime time.Time } }
		if err := api.Get("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/"+node.Name, &lease); err != nil {
			return err.Error(), nil
		}
		if lease.Spec.RenewTime.Before(since) {
			return "its kubelet has not renewed its lease", nil
		}
		ready, err := ReadyNodes(api)
		if err != nil {
			return err.Error(), nil
		}
		for _, name := range ready {
			if name == node.Name {
				return "", nil
			}
		}
		return "its condition Ready is not true", nil
	})
}
