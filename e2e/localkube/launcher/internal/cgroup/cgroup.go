// Package cgroup makes, fills, empties and removes the control groups of a
// cluster, on hosts with cgroup v1 hierarchies and on hosts with cgroup v2.
//
// A control group is also the record of what belongs to a cluster: every
// process that the launcher starts is put into one first, and its children stay
// there, so shims and containers are found without looking at names.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"kintsugi/e2e/localkube/launcher/internal/process"
	"kintsugi/e2e/localkube/launcher/internal/step"
)

const (
	emptyLimit  = 20 * time.Second
	removeLimit = 20 * time.Second
	poll        = 50 * time.Millisecond
)

// handedOn are the v2 controllers that kubelets use.
var handedOn = []string{"cpu", "cpuset", "hugetlb", "io", "memory", "pids"}

// Hierarchy is one mounted cgroup file system.
type Hierarchy struct {
	Mount string
	// Unified says that it is cgroup v2.
	Unified bool
	// Controllers are the v1 controllers of the mount (or a name such as systemd).
	Controllers []string
}

// Hierarchies reads the host's cgroup mounts.
func Hierarchies() ([]Hierarchy, error) {
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, fmt.Errorf("read cgroup mounts: %w", err)
	}
	found := parseMounts(string(text))
	if len(found) == 0 {
		return nil, errors.New("read cgroup mounts: none is mounted; mount cgroup2 at /sys/fs/cgroup")
	}
	return found, nil
}

func parseMounts(text string) []Hierarchy {
	var found []Hierarchy
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 {
			continue
		}
		switch fields[2] {
		case "cgroup2":
			found = append(found, Hierarchy{Mount: fields[1], Unified: true})
		case "cgroup":
			found = append(found, Hierarchy{Mount: fields[1], Controllers: controllers(fields[3])})
		}
	}
	return found
}

func controllers(options string) []string {
	var names []string
	for _, option := range strings.Split(options, ",") {
		switch option {
		case "rw", "ro", "relatime", "nosuid", "nodev", "noexec", "xattr", "clone_children":
		default:
			names = append(names, strings.TrimPrefix(option, "name="))
		}
	}
	return names
}

// Usable returns the hierarchies that processes are put into: all of v1, or
// else v2. A v2 mount beside v1 ones holds no controllers.
func Usable(all []Hierarchy) []Hierarchy {
	var first []Hierarchy
	for _, hierarchy := range all {
		if !hierarchy.Unified {
			first = append(first, hierarchy)
		}
	}
	if len(first) > 0 {
		return first
	}
	return all
}

// Create makes a group, and the groups above it, in every usable hierarchy.
func Create(group string) error {
	all, err := Hierarchies()
	if err != nil {
		return err
	}
	for _, hierarchy := range Usable(all) {
		folder := hierarchy.Mount
		for _, part := range strings.Split(strings.Trim(group, "/"), "/") {
			parent := folder
			folder = filepath.Join(folder, part)
			if err := createOne(hierarchy, parent, folder); err != nil {
				return fmt.Errorf("create cgroup %s: %w", folder, err)
			}
		}
	}
	return nil
}

func createOne(hierarchy Hierarchy, parent, folder string) error {
	if hierarchy.Unified {
		// A v2 group has only the controllers that its parent hands on.
		text, err := os.ReadFile(filepath.Join(parent, "cgroup.controllers"))
		if err != nil {
			return err
		}
		for _, controller := range strings.Fields(string(text)) {
			if !slices.Contains(handedOn, controller) {
				continue
			}
			// A controller that cannot be handed on (cpu with real-time
			// processes around) is missing later, where the kubelet names it.
			_ = os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
		}
	}
	if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if !slices.Contains(hierarchy.Controllers, "cpuset") {
		return nil
	}
	// A v1 cpuset group takes no process before it has processors and memory.
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		text, err := os.ReadFile(filepath.Join(parent, file))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, file), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Join moves the calling process into a group.
func Join(group string) error {
	all, err := Hierarchies()
	if err != nil {
		return err
	}
	for _, hierarchy := range Usable(all) {
		file := filepath.Join(hierarchy.Mount, group, "cgroup.procs")
		if err := os.WriteFile(file, []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil {
			return fmt.Errorf("join cgroup: %w", err)
		}
	}
	return nil
}

// Members lists the processes of a group and of the groups below it.
func Members(group string) ([]process.Identity, error) {
	all, err := Hierarchies()
	if err != nil {
		return nil, err
	}
	found := map[process.Identity]bool{}
	for _, hierarchy := range all {
		_ = filepath.WalkDir(filepath.Join(hierarchy.Mount, group), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.IsDir() {
				return nil // A group that vanished meanwhile has no members.
			}
			text, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
			for _, field := range strings.Fields(string(text)) {
				if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
					if identity, err := process.Identify(pid); err == nil {
						found[identity] = true
					}
				}
			}
			return nil
		})
	}
	members := make([]process.Identity, 0, len(found))
	for identity := range found {
		members = append(members, identity)
	}
	return members, nil
}

// Kill sends SIGKILL to a group's processes until none is left. It never kills
// its own process.
func Kill(group string) error {
	return step.Wait("the processes of "+group+" to end", emptyLimit, poll, func() (string, error) {
		members, err := Members(group)
		if err != nil {
			return "", err
		}
		left := 0
		for _, member := range members {
			if member.PID != os.Getpid() {
				left++
				_ = member.Signal(syscall.SIGKILL) // One that is gone already is what we want.
			}
		}
		if left == 0 {
			return "", nil
		}
		return fmt.Sprintf("%d processes left", left), nil
	})
}

// Remove deletes an empty group and the groups below it, in every hierarchy.
func Remove(group string) error {
	all, err := Hierarchies()
	if err != nil {
		return err
	}
	return step.Wait("the kernel to remove cgroup "+group, removeLimit, poll, func() (string, error) {
		missing := ""
		for _, hierarchy := range all {
			top := filepath.Join(hierarchy.Mount, group)
			removeTree(top)
			if _, err := os.Stat(top); err == nil {
				missing = top + " is still there"
			}
		}
		return missing, nil
	})
}

func removeTree(folder string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if entry.IsDir() {
			removeTree(filepath.Join(folder, entry.Name()))
		}
	}
	_ = syscall.Rmdir(folder) // Remove checks the result.
}

// MemoryBytes is what the kernel charges a group for, page cache included.
func MemoryBytes(group string) (uint64, bool) {
	all, _ := Hierarchies()
	for _, hierarchy := range all {
		for _, file := range []string{"memory.current", "memory.usage_in_bytes"} {
			text, err := os.ReadFile(filepath.Join(hierarchy.Mount, group, file))
			if err != nil {
				continue
			}
			if size, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil {
				return size, true
			}
		}
	}
	return 0, false
}

// HasController reports whether some hierarchy offers a controller.
func HasController(all []Hierarchy, controller string) bool {
	for _, hierarchy := range all {
		if slices.Contains(hierarchy.Controllers, controller) {
			return true
		}
		if !hierarchy.Unified {
			continue
		}
		text, _ := os.ReadFile(filepath.Join(hierarchy.Mount, "cgroup.controllers"))
		if slices.Contains(strings.Fields(string(text)), controller) {
			return true
		}
	}
	return false
}
