package lifecycle

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"kintsugi/e2e/localkube/launcher/internal/cgroup"
	"kintsugi/e2e/localkube/launcher/internal/process"
	"kintsugi/e2e/localkube/launcher/internal/state"
)

// HoldNamespace is the hidden subcommand that keeps the cluster's mount
// namespace alive: while it runs, later commands can enter; when it and the
// cluster's other processes end, the kernel unmounts everything.
const HoldNamespace = "hold-namespace"

const (
	holderReady = "ready"
	holderLimit = 10 * time.Second
	// coverSize bounds each in-memory file system that covers a host folder.
	coverSize = "size=256m"
)

// covered folders of the host are hidden behind empty ones in the cluster's
// mount namespace: programs have these paths built in and would leave files.
var covered = []string{"/run", "/var/log", "/var/lib/cni"}

// startHolder starts the holder in a new mount namespace.
func (c *Cluster) startHolder() (process.Identity, error) {
	command := exec.Command(c.Self, RunInGroup, c.controlGroup(), c.Self, HoldNamespace)
	// The runtime makes every mount private in the new namespace, so nothing
	// that happens there reaches the host.
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Unshareflags: syscall.CLONE_NEWNS}
	// It outlives this command: it must not hold on to this command's output.
	log, err := os.OpenFile(c.Folder.Log(HoldNamespace), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return process.Identity{}, fmt.Errorf("make mount namespace: %w", err)
	}
	defer func() { _ = log.Close() }()
	command.Stderr = log
	output, err := command.StdoutPipe()
	if err != nil {
		return process.Identity{}, fmt.Errorf("make mount namespace: %w", err)
	}
	if err := command.Start(); err != nil {
		return process.Identity{}, fmt.Errorf("make mount namespace: %w", err)
	}
	timer := time.AfterFunc(holderLimit, func() { _ = command.Process.Kill() })
	defer timer.Stop()
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil || line != holderReady+"\n" {
		_ = command.Process.Kill()
		return process.Identity{}, fmt.Errorf("make mount namespace: its holder ended (%w): %s", command.Wait(), logTail(log.Name()))
	}
	identity, err := process.Identify(command.Process.Pid)
	if err != nil {
		return process.Identity{}, fmt.Errorf("make mount namespace: %w", err)
	}
	return identity, nil
}

// Hold implements HoldNamespace. It never returns without an error.
func Hold() error {
	for _, folder := range covered {
		if err := syscall.Mount("localkube", folder, "tmpfs", 0, coverSize); err != nil {
			return fmt.Errorf("cover %s: %w", folder, err)
		}
	}
	// Kubelets need mounts to reach the containers' namespaces: shared among
	// those made from here on, still apart from the host's.
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_SHARED, ""); err != nil {
		return fmt.Errorf("share mounts: %w", err)
	}
	if _, err := fmt.Println(holderReady); err != nil {
		return err
	}
	for {
		time.Sleep(time.Hour)
	}
}

// Inside reports whether this process is in the cluster's mount namespace.
func Inside(record state.Record) bool {
	own, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return false
	}
	holder, err := os.Readlink(namespaceOf(record))
	return err == nil && own == holder
}

// RunInside runs this launcher again, with the same arguments, inside the
// cluster's mount namespace, and returns its exit code. If this process is
// killed the inner one is too, so the lock that this one holds stays true.
func RunInside(record state.Record, arguments []string) (int, error) {
	if !record.Holder.Alive() {
		return 1, fmt.Errorf("enter cluster %s: its processes are gone (was the host restarted?); run `localkube --name %s up` again",
			record.Plan.Name, record.Plan.Name)
	}
	self, err := os.Executable()
	if err != nil {
		return 1, fmt.Errorf("enter cluster: %w", err)
	}
	// The death signal is bound to the thread that starts the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// In the cluster's control group, so that what it starts is found by `down`
	// even if this run is killed.
	group := Cluster{Plan: record.Plan}.controlGroup()
	argv := []string{"--mount=" + namespaceOf(record), "--", self, RunInGroup, group, self}
	command := exec.Command("nsenter", append(argv, arguments...)...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = command.Run()
	if exit, isExit := err.(*exec.ExitError); isExit {
		return max(exit.ExitCode(), 1), nil
	}
	if err != nil {
		return 1, fmt.Errorf("enter cluster: %w", err)
	}
	return 0, nil
}

// makeGroups makes the control groups of the cluster and of its control plane.
func (c *Cluster) makeGroups() error {
	return cgroup.Create(c.controlGroup())
}

func namespaceOf(record state.Record) string {
	return fmt.Sprintf("/proc/%d/ns/mnt", record.Holder.PID)
}
