package preflight

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// engines maps the command names of container engines and Kubernetes
// distributions to how each is stopped. An idle containerd is no engine at
// work: installing its package may start one. Its shims are.
var engines = map[string]string{
	"dockerd":         "systemctl stop docker docker.socket",
	"containerd-shim": "stop the containers that it runs",
	"crio":            "systemctl stop crio",
	"k3s-server":      "systemctl stop k3s",
	"k3s-agent":       "systemctl stop k3s-agent",
	"k0s":             "k0s stop",
	"kubelite":        "microk8s stop",
	"kubelet":         "systemctl stop kubelet",
	"kube-apiserver":  "stop that control plane",
}

// command is one running process: its name, and its control groups.
type command struct {
	pid     string
	name    string
	cgroups string
}

func runningCommands() []command {
	paths, _ := filepath.Glob("/proc/[0-9]*/comm")
	var found []command
	for _, path := range paths {
		name, err := os.ReadFile(path)
		if err != nil {
			continue // It ended meanwhile.
		}
		folder := filepath.Dir(path)
		cgroups, _ := os.ReadFile(filepath.Join(folder, "cgroup"))
		found = append(found, command{
			pid: filepath.Base(folder), name: strings.TrimSpace(string(name)), cgroups: string(cgroups),
		})
	}
	return found
}

// otherEngines names engines that are not part of a cluster of this launcher.
func otherEngines(running []command) []string {
	seen := map[string]string{}
	for _, one := range running {
		name := one.name
		// The kernel keeps 15 bytes of a name: containerd-shim-runc-v2 is cut.
		if strings.HasPrefix(name, "containerd-shim") {
			name = "containerd-shim"
		}
		if _, known := engines[name]; known && !strings.Contains(one.cgroups, "/localkube-") {
			seen[name] = one.pid
		}
	}
	var problems []string
	for name, pid := range seen {
		problems = append(problems, fmt.Sprintf(
			"%s is running (process %s) and may change the same network and cgroup settings; %s, or pass --beside-other-engines", name, pid, engines[name]))
	}
	sort.Strings(problems)
	return problems
}
