package lifecycle

import (
	"fmt"
	"path/filepath"
	"time"

	"kintsugi/e2e/localkube/launcher/internal/disk"
	"kintsugi/e2e/localkube/launcher/internal/plan"
	"kintsugi/e2e/localkube/launcher/internal/step"
)

// importLimit bounds the import of one image into one node.
const importLimit = 5 * time.Minute

func (c *Cluster) imageArchives() ([]string, error) {
	archives, err := filepath.Glob(filepath.Join(c.Images, "*.tar"))
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	if len(archives) == 0 {
		return nil, fmt.Errorf("list images: %s holds none; run e2e/localkube/setup.sh", c.Images)
	}
	return archives, nil
}

// LoadImages imports image archives into every node that has power.
func (c *Cluster) LoadImages(archives []string) error {
	var nodes []plan.Node
	for _, node := range c.Plan.Nodes() {
		if c.Folder.PoweredOff(node.Name) {
			step.Say("%s is powered off and does not get the images", node.Name)
			continue
		}
		nodes = append(nodes, node)
	}
	return c.loadInto(nodes, archives)
}

func (c *Cluster) loadInto(nodes []plan.Node, archives []string) error {
	return step.Parallel(nodes, func(node plan.Node) error {
		for _, archive := range archives {
			_, err := step.RunWith(importLimit, "", "ctr", "--address", c.Folder.Socket(node.Name),
				"--namespace", "k8s.io", "images", "import", archive)
			if err != nil {
				return fmt.Errorf("load image into %s: %w", node.Name, err)
			}
		}
		// An image must survive the node's loss of power.
		return disk.Sync(c.Folder.NodeDisk(node.Name))
	})
}
