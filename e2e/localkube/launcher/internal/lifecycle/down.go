package lifecycle

import (
	"errors"
	"fmt"
	"os"

	"kintsugi/e2e/localkube/launcher/internal/cgroup"
	"kintsugi/e2e/localkube/launcher/internal/disk"
	"kintsugi/e2e/localkube/launcher/internal/network"
	"kintsugi/e2e/localkube/launcher/internal/plan"
	"kintsugi/e2e/localkube/launcher/internal/state"
	"kintsugi/e2e/localkube/launcher/internal/step"
)

// Down removes a cluster and all it made. It needs nothing of the cluster to
// work, and does nothing when there is none. With the cluster's last process
// its mount namespace ends, and with that its mounts, loop devices and network
// namespaces.
func Down(folder state.Folder) error {
	release, err := state.Lock(folder.Base, "host")
	if err != nil {
		return err
	}
	defer release()
	p := plan.Plan{Name: folder.Name}
	if err := cgroup.Kill(p.Cgroup()); err != nil {
		return err
	}
	if err := cgroup.Remove(p.Cgroup()); err != nil {
		return err
	}
	record, err := folder.Load()
	if err == nil {
		err = removeClaims(folder, record.Plan)
	}
	if err != nil && !errors.Is(err, state.ErrNoCluster) {
		return err
	}
	if err := os.RemoveAll(folder.Path()); err != nil {
		return fmt.Errorf("remove the folder of cluster %s: %w", folder.Name, err)
	}
	return state.UndoHostChanges(folder.Base)
}

func removeClaims(folder state.Folder, p plan.Plan) error {
	if err := network.RemoveHostParts(p); err != nil {
		return err
	}
	for _, node := range p.Nodes() {
		for number := 0; number <= p.VolumesPerNode; number++ {
			image := folder.DiskImage(node.Name, number)
			if !exists(image) {
				continue
			}
			if err := disk.WaitDetached(image); err != nil {
				return err
			}
		}
	}
	step.Say("cluster %s: its processes, mounts and networks are gone", p.Name)
	return nil
}
