package lifecycle

import (
	"fmt"

	"kintsugi/e2e/localkube/launcher/internal/disk"
	"kintsugi/e2e/localkube/launcher/internal/kubeapi"
	"kintsugi/e2e/localkube/launcher/internal/plan"
	"kintsugi/e2e/localkube/launcher/internal/step"
)

// RecycleVolumes empties every volume whose claim was deleted and offers it
// again. Volumes on nodes without power wait for the next call.
func (c *Cluster) RecycleVolumes() error {
	api, err := c.API()
	if err != nil {
		return err
	}
	recycled := 0
	for _, node := range c.Plan.Nodes() {
		for number := 1; number <= c.Plan.VolumesPerNode; number++ {
			phase, err := volumePhase(api, volumeName(node, number))
			if err != nil {
				return err
			}
			if phase != "Released" && phase != "Failed" {
				continue
			}
			if c.Folder.PoweredOff(node.Name) {
				step.Say("%s is released, but %s is powered off", volumeName(node, number), node.Name)
				continue
			}
			if err := c.recycle(api, node, number); err != nil {
				return err
			}
			recycled++
		}
	}
	step.Say("%d volumes emptied and available again", recycled)
	return nil
}

func (c *Cluster) recycle(api *kubeapi.Client, node plan.Node, number int) error {
	name, image, at := volumeName(node, number), c.Folder.DiskImage(node.Name, number), c.Folder.Volume(node.Name, number)
	if err := disk.UnmountBelow(at); err != nil {
		return err
	}
	// A pod that still ends may hold the volume by a mount of its own.
	if err := disk.WaitDetached(image); err != nil {
		if mountErr := disk.Mount(image, at); mountErr != nil {
			return fmt.Errorf("recycle %s: %w; and mounting it again: %w", name, err, mountErr)
		}
		return fmt.Errorf("recycle %s: a pod still uses it; try again when it has ended: %w", name, err)
	}
	if err := disk.Create(image, c.Plan.VolumeSizeMiB); err != nil {
		return fmt.Errorf("recycle %s: %w", name, err)
	}
	if err := disk.Mount(image, at); err != nil {
		return fmt.Errorf("recycle %s: %w", name, err)
	}
	return api.Merge("/api/v1/persistentvolumes/"+name, object{"spec": object{"claimRef": nil}})
}

func volumePhase(api *kubeapi.Client, name string) (string, error) {
	var volume struct{ Status struct{ Phase string } }
	if err := api.Get("/api/v1/persistentvolumes/"+name, &volume); err != nil {
		return "", err
	}
	return volume.Status.Phase, nil
}
