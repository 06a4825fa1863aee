// Package state is a cluster's folder on the host: where each file lies, the
// recorded plan, and the locks.
//
// It guarantees that a plan is on disk before anything is started for it, and
// that two commands do not change the same cluster at once.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"syscall"
	"time"

	"kintsugi/e2e/localkube/launcher/internal/plan"
	"kintsugi/e2e/localkube/launcher/internal/process"
	"kintsugi/e2e/localkube/launcher/internal/step"
)

const (
	// DefaultBase holds one folder a cluster.
	DefaultBase = "/var/lib/kintsugi-localkube"
	lockLimit   = 10 * time.Minute
	lockPoll    = 200 * time.Millisecond
)

// ErrNoCluster means that no cluster of that name was ever started here, or
// that it was taken down.
var ErrNoCluster = errors.New("no such cluster")

// Folder is one cluster's place under the base folder.
type Folder struct {
	Base string
	Name string
}

// Record is what `up` decided and started.
type Record struct {
	Plan plan.Plan `json:"plan"`
	// Holder keeps the cluster's mount namespace alive.
	Holder process.Identity `json:"holder"`
	// Ready says that `up` went through to its end.
	Ready bool `json:"ready"`
}

// Path joins names under the cluster's folder.
func (f Folder) Path(names ...string) string {
	return filepath.Join(append([]string{f.Base, "clusters", f.Name}, names...)...)
}

// Kubeconfig is the administrator's.
func (f Folder) Kubeconfig() string { return f.Path("admin.kubeconfig") }

// Log is where a program's output goes.
func (f Folder) Log(program string) string { return f.Path("logs", program+".log") }

// NodeDisk is where a node's own disk is mounted, inside the mount namespace.
func (f Folder) NodeDisk(node string) string { return f.Path("nodes", node) }

// NodeFile is a file about a node that survives the node's power loss.
func (f Folder) NodeFile(node, file string) string { return f.Path("node-files", node, file) }

// Volume is where a node's volume is mounted, inside the mount namespace.
func (f Folder) Volume(node string, number int) string {
	return f.Path("volumes", node, fmt.Sprint(number))
}

// DiskImage is the file behind a loop-mounted file system: number 0 is the
// node's own disk, the others are its volumes.
func (f Folder) DiskImage(node string, number int) string {
	return f.Path("disks", fmt.Sprintf("%s-%d.img", node, number))
}

// NodeRun is a node's /run: lost with its power.
func (f Folder) NodeRun(node string) string { return filepath.Join("/run/localkube", node) }

// Socket is a node's containerd socket.
func (f Folder) Socket(node string) string { return filepath.Join(f.NodeRun(node), "containerd.sock") }

// NodeNetwork is the file that a node's network namespace is bound to.
func (f Folder) NodeNetwork(node string) string { return filepath.Join("/run/netns", node) }

// PoweredOff reports whether a node was powered off and not on again.
func (f Folder) PoweredOff(node string) bool {
	_, err := os.Stat(f.NodeFile(node, "powered-off"))
	return err == nil
}

// Load reads the cluster's record, or ErrNoCluster.
func (f Folder) Load() (Record, error) {
	var record Record
	text, err := os.ReadFile(f.Path("cluster.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return record, fmt.Errorf("cluster %s: %w: start it with `localkube --name %s up`", f.Name, ErrNoCluster, f.Name)
	}
	if err != nil {
		return record, fmt.Errorf("read the record of cluster %s: %w", f.Name, err)
	}
	if err := json.Unmarshal(text, &record); err != nil {
		return record, fmt.Errorf("read the record of cluster %s: %w", f.Name, err)
	}
	return record, record.Plan.Validate()
}

// Save writes the record whole or not at all.
func (f Folder) Save(record Record) error {
	return writeJSON(f.Path("cluster.json"), record)
}

// Clusters lists the names of all clusters that have a folder.
func Clusters(base string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(base, "clusters"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list clusters: %w", err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	sort.Strings(names)
	return names, nil
}

// TakenSlots maps the slots of other clusters to their names.
func TakenSlots(base, except string) (map[int]string, error) {
	names, err := Clusters(base)
	if err != nil {
		return nil, err
	}
	taken := map[int]string{}
	for _, name := range names {
		if name == except {
			continue
		}
		record, err := Folder{Base: base, Name: name}.Load()
		if errors.Is(err, ErrNoCluster) {
			continue // Its `up` was ended before it claimed anything.
		}
		if err != nil {
			return nil, err
		}
		taken[record.Plan.Slot] = name
	}
	return taken, nil
}

// Lock takes a named lock under the base folder until release is called or the
// process ends, however it ends.
func Lock(base, name string) (release func(), err error) {
	if err := os.MkdirAll(filepath.Join(base, "locks"), 0o755); err != nil {
		return nil, fmt.Errorf("take lock %s: %w", name, err)
	}
	file, err := os.OpenFile(filepath.Join(base, "locks", name), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("take lock %s: %w", name, err)
	}
	err = step.Wait("another localkube command to finish", lockLimit, lockPoll, func() (string, error) {
		if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			return "", nil
		}
		return "it holds lock " + file.Name(), nil
	})
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return func() { _ = file.Close() }, nil
}

func writeJSON(path string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
