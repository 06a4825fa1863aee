// Package preflight finds what would keep a cluster from running, before
// anything on the host is changed. Each problem says what is wrong and what to
// do about it.
package preflight

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"kintsugi/e2e/localkube/launcher/internal/cgroup"
	"kintsugi/e2e/localkube/launcher/internal/plan"
	"kintsugi/e2e/localkube/launcher/internal/step"
)

// What a cluster needs, without the pods' own use. Measured with 5 nodes: all
// programs together take 770 MiB, the state folder 260 MiB right after the start.
const (
	controlMemoryMiB = 600
	nodeMemoryMiB    = 200
	controlDiskMiB   = 1024
	nodeDiskMiB      = 512
	minInotify       = 128

	// narrowestTunnel is the prefix length from which a route counts as a subnet.
	narrowestTunnel = 12
)

// programs maps each program that the launcher calls to its Debian package.
var programs = map[string]string{
	"containerd":           "containerd",
	"ctr":                  "containerd",
	"runc":                 "runc",
	"/usr/lib/cni/bridge":  "containernetworking-plugins",
	"/usr/lib/cni/portmap": "containernetworking-plugins",
	"iptables":             "iptables",
	"nft":                  "nftables",
	"conntrack":            "conntrack",
	"socat":                "socat",
	"ip":                   "iproute2",
	"mkfs.ext4":            "e2fsprogs",
	"nsenter":              "util-linux",
	"unshare":              "util-linux",
	"losetup":              "mount",
	"mount":                "mount",
}

// kernelProbes run in throw-away namespaces, so they leave nothing behind.
var kernelProbes = []struct{ feature, script string }{
	{"network namespaces with bridge and veth devices", "ip link add b0 type bridge && ip link add v0 type veth peer name v1"},
	{"nftables with address translation", "nft add table ip t && nft 'add chain ip t c { type nat hook postrouting priority 100 ; }' && nft add rule ip t c masquerade"},
	{"nftables at the ingress of a device", "ip link add v0 type veth peer name v1 && nft add table netdev t && nft 'add chain netdev t c { type filter hook ingress device v0 priority 0 ; }'"},
	{"overlayfs", "mount -t tmpfs t /mnt && mkdir /mnt/l /mnt/u /mnt/w /mnt/m && mount -t overlay o -o lowerdir=/mnt/l,upperdir=/mnt/u,workdir=/mnt/w /mnt/m"},
}

// Host checks what does not depend on the cluster's slot.
func Host(base string, p plan.Plan, besideOtherEngines bool) []string {
	if os.Geteuid() != 0 {
		return []string{"not root: namespaces, mounts and cgroups need it; run with sudo or as root"}
	}
	problems := missingPrograms()
	if len(problems) == 0 {
		problems = append(problems, missingKernelFeatures()...)
	}
	problems = append(problems, cgroupProblems()...)
	problems = append(problems, memoryProblems(p)...)
	problems = append(problems, diskProblems(base, p)...)
	if !besideOtherEngines {
		problems = append(problems, otherEngines(runningCommands())...)
	}
	return problems
}

// Slot checks that a slot's subnets, devices and ports are free on the host.
func Slot(p plan.Plan) []string {
	var problems []string
	routes, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return []string{fmt.Sprintf("the host's routes cannot be read: %v", err)}
	}
	for _, route := range parseRoutes(string(routes)) {
		if conflicts(route.prefix, p.Range()) {
			problems = append(problems, fmt.Sprintf("%s is in use: the host has a route to %s by %s", p.Range(), route.prefix, route.device))
		}
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return append(problems, fmt.Sprintf("the host's interfaces cannot be listed: %v", err))
	}
	for _, device := range interfaces {
		if device.Name == p.Bridge() || strings.HasPrefix(device.Name, p.Bridge()+"n") {
			problems = append(problems, fmt.Sprintf("network device %s exists already; if no cluster uses it: ip link delete %s", device.Name, device.Name))
		}
	}
	// The API server and CoreDNS listen on the bridge, which is not there yet;
	// whoever holds the port on every address shows here as well.
	for _, port := range []int{53, 2379, 2380, 6443, 8080, 8181, 9153, 10257, 10259} {
		address := fmt.Sprintf("%s:%d", p.LoopbackAddress(), port)
		listener, err := net.Listen("tcp", address)
		if err != nil {
			problems = append(problems, fmt.Sprintf("port %d is taken on every address of the host (%v); find its owner with: ss -ltnp 'sport = :%d'", port, err, port))
			continue
		}
		_ = listener.Close()
	}
	return problems
}

func missingPrograms() []string {
	packages := map[string][]string{}
	for program, from := range programs {
		if _, err := exec.LookPath(program); err != nil {
			packages[from] = append(packages[from], program)
		}
	}
	var problems []string
	for from, missing := range packages {
		problems = append(problems, fmt.Sprintf("%s missing: run e2e/localkube/setup.sh, or apt-get install %s", strings.Join(missing, ", "), from))
	}
	return problems
}

func missingKernelFeatures() []string {
	var problems []string
	for _, probe := range kernelProbes {
		if _, err := step.Run("unshare", "--net", "--mount", "sh", "-ec", probe.script); err != nil {
			problems = append(problems, fmt.Sprintf("the kernel lacks %s (%v); use a kernel that has it", probe.feature, err))
		}
	}
	if _, err := step.Run("losetup", "--find"); err != nil {
		problems = append(problems, fmt.Sprintf("no loop device is free (%v); modprobe loop, or detach some with losetup -d", err))
	}
	if text, err := os.ReadFile("/proc/sys/fs/inotify/max_user_instances"); err == nil {
		var limit int
		if _, err := fmt.Sscan(string(text), &limit); err == nil && limit < minInotify {
			problems = append(problems, fmt.Sprintf("fs.inotify.max_user_instances is %d; set it to %d or more with sysctl -w", limit, minInotify))
		}
	}
	if _, err := os.Stat("/dev/kmsg"); err != nil {
		problems = append(problems, "/dev/kmsg is missing, which kubelets read; create it with: mknod /dev/kmsg c 1 11")
	}
	return problems
}

func cgroupProblems() []string {
	all, err := cgroup.Hierarchies()
	if err != nil {
		return []string{err.Error()}
	}
	var problems []string
	for _, controller := range []string{"cpu", "memory", "pids"} {
		if !cgroup.HasController(all, controller) {
			problems = append(problems, fmt.Sprintf("cgroup controller %s is not available; boot the kernel with it enabled (cgroup_enable=%s)", controller, controller))
		}
	}
	return problems
}

func memoryProblems(p plan.Plan) []string {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return []string{fmt.Sprintf("free memory cannot be read: %v", err)}
	}
	need := controlMemoryMiB + nodeMemoryMiB*p.NodeCount
	have, err := availableMiB(string(text))
	if err != nil {
		return []string{err.Error()}
	}
	if have < need {
		return []string{fmt.Sprintf("%d MiB of memory are free, %d nodes need %d; stop something or start fewer nodes (--nodes)", have, p.NodeCount, need)}
	}
	return nil
}

func availableMiB(meminfo string) (int, error) {
	for line := range strings.Lines(meminfo) {
		var kib int
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); err == nil {
			return kib / 1024, nil
		}
	}
	return 0, fmt.Errorf("MemAvailable is not in /proc/meminfo; use a kernel of 3.14 or later")
}

func diskProblems(base string, p plan.Plan) []string {
	for _, hidden := range []string{"/run", "/var/log", "/var/run"} {
		if base == hidden || strings.HasPrefix(base, hidden+"/") {
			return []string{fmt.Sprintf("the state folder %s lies under %s, which a cluster covers with its own; choose another with --state", base, hidden)}
		}
	}
	folder := base
	var stat syscall.Statfs_t
	for syscall.Statfs(folder, &stat) != nil {
		if folder == "/" || folder == "" {
			return []string{fmt.Sprintf("the free space of %s cannot be read", base)}
		}
		folder = folder[:max(strings.LastIndexByte(folder, '/'), 0)]
		if folder == "" {
			folder = "/"
		}
	}
	need := uint64(controlDiskMiB + nodeDiskMiB*p.NodeCount)
	if have := stat.Bavail * uint64(stat.Bsize) >> 20; have < need {
		return []string{fmt.Sprintf("%d MiB are free in %s, %d nodes need %d; make room or choose another folder with --state", have, folder, p.NodeCount, need)}
	}
	return nil
}

// conflicts reports whether a cluster's range would take addresses that the
// host uses. Routes broader than any real subnet (a default route, all of
// 10.0.0.0/8 through a tunnel) stay as they are beside a more specific one.
func conflicts(existing, wanted netip.Prefix) bool {
	return existing.Bits() >= narrowestTunnel && existing.Overlaps(wanted)
}

type route struct {
	device string
	prefix netip.Prefix
}

// parseRoutes reads /proc/net/route: little-endian hexadecimal addresses.
func parseRoutes(text string) []route {
	var routes []route
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 8 {
			continue
		}
		var destination, mask uint32
		if _, err := fmt.Sscanf(fields[1], "%x", &destination); err != nil {
			continue
		}
		if _, err := fmt.Sscanf(fields[7], "%x", &mask); err != nil {
			continue
		}
		address := netip.AddrFrom4([4]byte{byte(destination), byte(destination >> 8), byte(destination >> 16), byte(destination >> 24)})
		bits := 0
		for ; mask != 0; mask &= mask - 1 {
			bits++
		}
		routes = append(routes, route{device: fields[0], prefix: netip.PrefixFrom(address, bits)})
	}
	return routes
}
