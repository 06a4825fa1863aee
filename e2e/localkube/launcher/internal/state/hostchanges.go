package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// hostSysctls are the settings outside every namespace that a kubelet sets when
// it starts (k8s.io/component-helpers/node/util/sysctl).
var hostSysctls = []string{
	"vm/overcommit_memory",
	"vm/panic_on_oom",
	"kernel/panic",
	"kernel/panic_on_oops",
	"kernel/keys/root_maxkeys",
	"kernel/keys/root_maxbytes",
}

// mountPoints must exist on the host because programs have them built in. Only
// empty folders are made; what lies in them is mounted in the cluster's own
// mount namespace.
var mountPoints = []string{"/var/lib/cni"}

// hostChanges are what all clusters of this host changed together: made before
// the first one starts, undone when the last one goes.
type hostChanges struct {
	Sysctls map[string]string `json:"sysctls"`
	Folders []string          `json:"folders"`
}

func changesFile(base string) string { return filepath.Join(base, "host-changes.json") }

// RecordHostChanges writes down the host's settings before the first cluster
// changes them. The caller holds the base folder's lock.
func RecordHostChanges(base string) error {
	if _, err := os.Stat(changesFile(base)); err == nil {
		return nil
	}
	changes := hostChanges{Sysctls: map[string]string{}}
	for _, name := range hostSysctls {
		value, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("record sysctl %s: %w", name, err)
		}
		changes.Sysctls[name] = strings.TrimSpace(string(value))
	}
	for _, folder := range mountPoints {
		if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
			changes.Folders = append(changes.Folders, folder)
		}
	}
	// On disk first: an `up` that is killed right after is still undone.
	if err := writeJSON(changesFile(base), changes); err != nil {
		return err
	}
	for _, folder := range changes.Folders {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("make mount point: %w", err)
		}
	}
	return nil
}

// UndoHostChanges restores the recorded settings if no cluster is left. The
// caller holds the base folder's lock.
func UndoHostChanges(base string) error {
	left, err := Clusters(base)
	if err != nil || len(left) > 0 {
		return err
	}
	text, err := os.ReadFile(changesFile(base))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("undo host changes: %w", err)
	}
	var changes hostChanges
	if err := json.Unmarshal(text, &changes); err != nil {
		return fmt.Errorf("undo host changes: %w", err)
	}
	for name, value := range changes.Sysctls {
		path := filepath.Join("/proc/sys", name)
		now, _ := os.ReadFile(path)
		if strings.TrimSpace(string(now)) == value {
			continue
		}
		if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
			return fmt.Errorf("restore sysctl %s to %s: %w", name, value, err)
		}
	}
	for _, folder := range changes.Folders {
		// Not ours any more if someone has put files there.
		_ = os.Remove(folder)
	}
	if err := os.Remove(changesFile(base)); err != nil {
		return fmt.Errorf("undo host changes: %w", err)
	}
	return nil
}
