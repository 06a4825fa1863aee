package lifecycle

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"kintsugi/e2e/localkube/launcher/internal/cgroup"
	"kintsugi/e2e/localkube/launcher/internal/process"
)

// RunInGroup is the hidden subcommand that moves itself into a control group
// and then becomes the given program.
const RunInGroup = "run-in-group"

// maxLogTail bounds how much of a log an error quotes.
const maxLogTail = 1500

// daemon is a program that outlives the command which started it.
type daemon struct {
	name     string
	log      string
	identity process.Identity
}

// spawn starts a program in a control group and a session of its own.
// Its output goes to a log, its identity is recorded in the cluster's folder.
func (c *Cluster) spawn(name, group string, argv ...string) (daemon, error) {
	log := c.Folder.Log(name)
	output, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return daemon{}, fmt.Errorf("start %s: %w", name, err)
	}
	defer func() { _ = output.Close() }()
	command := exec.Command(c.Self, append([]string{RunInGroup, group}, argv...)...)
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return daemon{}, fmt.Errorf("start %s: %w", name, err)
	}
	// Collects the child if it ends while this command still runs.
	go func() { _ = command.Wait() }()
	identity, err := process.Identify(command.Process.Pid)
	if err != nil {
		return daemon{}, fmt.Errorf("start %s: it ended at once: %s", name, logTail(log))
	}
	text, err := json.Marshal(identity)
	if err != nil {
		return daemon{}, fmt.Errorf("record %s: %w", name, err)
	}
	if err := os.WriteFile(c.Folder.Path("processes", name+".json"), text, 0o644); err != nil {
		return daemon{}, fmt.Errorf("record %s: %w", name, err)
	}
	return daemon{name: name, log: log, identity: identity}, nil
}

// check is an error once the program has ended, with the end of its log.
func (d daemon) check() error {
	if d.identity.Alive() {
		return nil
	}
	return fmt.Errorf("%s ended; the end of %s: %s", d.name, d.log, logTail(d.log))
}

// BecomeInGroup implements RunInGroup: arguments are the group and the program.
func BecomeInGroup(arguments []string) error {
	if len(arguments) < 2 {
		return fmt.Errorf("%s needs a group and a program", RunInGroup)
	}
	if err := cgroup.Join(arguments[0]); err != nil {
		return err
	}
	path, err := exec.LookPath(arguments[1])
	if err != nil {
		return fmt.Errorf("find program: %w", err)
	}
	return syscall.Exec(path, arguments[1:], os.Environ())
}

// KeepRunning is the hidden subcommand that starts a program again whenever it
// ends, as systemd does for kubelets. A kubelet gives up when containerd's
// socket is there before its services are.
const KeepRunning = "keep-running"

const (
	firstRestartDelay = 500 * time.Millisecond
	maxRestartDelay   = 10 * time.Second
	// settledAfter is how long a program runs before its next end counts as the first.
	settledAfter = time.Minute
)

// Keep implements KeepRunning: arguments are the program's. It ends only by a
// signal, which its control group's end brings.
func Keep(arguments []string) error {
	if len(arguments) == 0 {
		return fmt.Errorf("%s needs a program", KeepRunning)
	}
	delay := firstRestartDelay
	for {
		started := time.Now()
		command := exec.Command(arguments[0], arguments[1:]...)
		command.Stdout, command.Stderr = os.Stdout, os.Stderr
		err := command.Run()
		if time.Since(started) > settledAfter {
			delay = firstRestartDelay
		}
		fmt.Fprintf(os.Stderr, "localkube: the program ended (%v); starting it again in %s\n", err, delay)
		time.Sleep(delay)
		delay = min(2*delay, maxRestartDelay)
	}
}

func logTail(path string) string {
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return err.Error()
	}
	if len(text) > maxLogTail {
		text = text[len(text)-maxLogTail:]
	}
	return strings.TrimSpace(string(text))
}
