// Package lifecycle brings a cluster up and down, and a node's power off and
// on.
//
// It guarantees that everything it starts is in the cluster's control groups
// and everything it mounts is in the cluster's mount namespace, so that taking
// a cluster down needs no list and works after a run that was killed at any
// point. It never touches a process outside those control groups.
package lifecycle

import (
	"fmt"
	"os"
	"path/filepath"

	"kintsugi/e2e/localkube/launcher/internal/kubeapi"
	"kintsugi/e2e/localkube/launcher/internal/plan"
	"kintsugi/e2e/localkube/launcher/internal/state"
)

// Cluster is a running cluster, or one that is being started.
type Cluster struct {
	Folder state.Folder
	Plan   plan.Plan
	// Kube is the binary that holds Kubernetes, etcd and CoreDNS.
	Kube string
	// Images is the folder of image archives that every node gets.
	Images string
	// Self is this launcher's own binary.
	Self string
}

// Open finds the programs and images beside this launcher's binary:
// bin/localkube, bin/kube, images/.
func Open(folder state.Folder, p plan.Plan) (*Cluster, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the launcher's own files: %w", err)
	}
	home := os.Getenv("LOCALKUBE_HOME")
	if home == "" {
		home = filepath.Dir(filepath.Dir(self))
	}
	cluster := &Cluster{
		Folder: folder, Plan: p, Self: self,
		Kube:   filepath.Join(home, "bin", "kube"),
		Images: filepath.Join(home, "images"),
	}
	for _, needed := range []string{cluster.Kube, cluster.Images} {
		if _, err := os.Stat(needed); err != nil {
			return nil, fmt.Errorf("%w; run e2e/localkube/setup.sh first, it builds it", err)
		}
	}
	return cluster, nil
}

// API returns a client of the cluster's API server.
func (c *Cluster) API() (*kubeapi.Client, error) { return kubeapi.New(c.Plan, c.Folder) }

// controlGroup holds the control plane and the holder of the mount namespace.
func (c Cluster) controlGroup() string { return c.Plan.Cgroup() + "/control" }

// nodeGroup holds everything of one node.
func (c *Cluster) nodeGroup(node plan.Node) string { return c.Plan.Cgroup() + "/" + node.Name }

// systemGroup holds a node's own programs; its pods' groups lie beside it.
func (c *Cluster) systemGroup(node plan.Node) string { return c.nodeGroup(node) + "/system" }
