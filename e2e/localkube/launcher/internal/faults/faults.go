// Package faults signals the main process of a container from the host.
//
// A signal sent from inside the pod would be ignored: there the process has id
// 1. It guarantees that the process signalled is the one that the API server
// names and that it lies in this cluster's control groups.
package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"kintsugi/e2e/localkube/launcher/internal/kubeapi"
	"kintsugi/e2e/localkube/launcher/internal/plan"
	"kintsugi/e2e/localkube/launcher/internal/process"
	"kintsugi/e2e/localkube/launcher/internal/state"
	"kintsugi/e2e/localkube/launcher/internal/step"
)

const (
	// findLimit covers the moment between a container's restart and its
	// appearance in the pod's status.
	findLimit = 10 * time.Second
	findPoll  = 100 * time.Millisecond
)

// Target is the main process of one container.
type Target struct {
	Pod       string `json:"pod"`
	Container string `json:"container"`
	Node      string `json:"node"`
	process.Identity
}

// ErrNotRunning means that the container has no running main process.
var ErrNotRunning = errors.New("the container is not running")

type pod struct {
	Metadata struct{ Name, Namespace, UID string }
	Spec     struct{ NodeName string }
	Status   struct {
		ContainerStatuses []containerStatus
	}
}

type containerStatus struct {
	Name        string
	ContainerID string
}

// Find waits shortly for the container to run and identifies its main process.
// The pod is written NAMESPACE/NAME; without a container its first is meant.
func Find(api *kubeapi.Client, p plan.Plan, folder state.Folder, record state.Record, podName, container string) (Target, error) {
	namespace, name, found := strings.Cut(podName, "/")
	if !found {
		return Target{}, fmt.Errorf("pod %q: write NAMESPACE/NAME", podName)
	}
	path := fmt.Sprintf("/api/v1/namespaces/%s/pods/%s", url.PathEscape(namespace), url.PathEscape(name))
	var target Target
	err := step.Wait("a running container in "+podName, findLimit, findPoll, func() (string, error) {
		var seen pod
		if err := api.Get(path, &seen); err != nil {
			return "", err
		}
		status, err := choose(seen.Status.ContainerStatuses, container)
		if err != nil {
			return err.Error(), nil
		}
		target = Target{Pod: podName, Container: status.Name, Node: seen.Spec.NodeName}
		target.Identity, err = mainProcess(p, folder, record, seen.Spec.NodeName, status.ContainerID)
		if err != nil {
			return err.Error(), nil
		}
		return "", nil
	})
	return target, err
}

// Send signals the target and prints one line of JSON with the time.
func Send(target Target, signal syscall.Signal, name string) error {
	if err := target.Identity.Signal(signal); err != nil {
		return fmt.Errorf("%s %s: %w", name, target.Pod, err)
	}
	now := time.Now()
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"signal": name, "sent_unix_ms": now.UnixMilli(), "pod": target.Pod, "container": target.Container,
		"node": target.Node, "pid": target.PID,
	})
}

func choose(statuses []containerStatus, container string) (containerStatus, error) {
	for _, status := range statuses {
		if (container == "" || status.Name == container) && status.ContainerID != "" {
			return status, nil
		}
	}
	if container == "" {
		return containerStatus{}, ErrNotRunning
	}
	return containerStatus{}, fmt.Errorf("container %s: %w", container, ErrNotRunning)
}

// mainProcess reads the id that containerd's shim recorded, looking into the
// cluster's mount namespace, and checks that it is a process of that container.
func mainProcess(p plan.Plan, folder state.Folder, record state.Record, node, containerID string) (process.Identity, error) {
	id := strings.TrimPrefix(containerID, "containerd://")
	if id == "" || strings.ContainsAny(id, "/.") {
		return process.Identity{}, fmt.Errorf("container id %q is not one of containerd", containerID)
	}
	root := fmt.Sprintf("/proc/%d/root", record.Holder.PID)
	file := filepath.Join(root, folder.NodeRun(node), "containerd/io.containerd.runtime.v2.task/k8s.io", id, "init.pid")
	text, err := os.ReadFile(file)
	if err != nil {
		return process.Identity{}, fmt.Errorf("container %.12s: %w", id, ErrNotRunning)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return process.Identity{}, fmt.Errorf("container %.12s: process id %q", id, text)
	}
	identity, err := process.Identify(pid)
	if err != nil {
		return process.Identity{}, fmt.Errorf("container %.12s: %w", id, ErrNotRunning)
	}
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil || !belongs(string(groups), p, node, id) {
		return process.Identity{}, fmt.Errorf("process %d is not in the control group of container %.12s", pid, id)
	}
	return identity, nil
}

func belongs(groups string, p plan.Plan, node, containerID string) bool {
	for line := range strings.Lines(groups) {
		_, path, _ := strings.Cut(line, ":")
		if strings.Contains(path, ":"+p.Cgroup()+"/"+node+"/") && strings.Contains(path, containerID) {
			return true
		}
	}
	return false
}
