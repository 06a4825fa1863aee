package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"kintsugi/e2e/localkube/launcher/internal/cgroup"
	"kintsugi/e2e/localkube/launcher/internal/lifecycle"
	"kintsugi/e2e/localkube/launcher/internal/network"
	"kintsugi/e2e/localkube/launcher/internal/state"
	"kintsugi/e2e/localkube/launcher/internal/step"
)

func runUp(c *context, arguments []string) error {
	wanted, beside, err := planFlags(c, arguments)
	if err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		release, err := state.Lock(c.folder.Base, c.folder.Name)
		if err != nil {
			return err
		}
		defer release()
	}
	record, already, err := lifecycle.Claim(c.folder, wanted, beside)
	if err != nil {
		return err
	}
	if already {
		step.Say("cluster %s is up already; its kubeconfig: %s", c.folder.Name, c.folder.Kubeconfig())
		return nil
	}
	c.record = record
	c.arguments = []string{"--name", c.folder.Name, "--state", c.folder.Base, "build"}
	if err := c.again(); err != nil {
		step.Say("the start failed; logs are in %s, `localkube --name %s down` removes the rest", c.folder.Path("logs"), c.folder.Name)
		return err
	}
	record.Ready = true
	if err := c.folder.Save(record); err != nil {
		return err
	}
	step.Say("cluster %s is up; its kubeconfig: %s", c.folder.Name, c.folder.Kubeconfig())
	return nil
}

// runBuild is what `up` runs inside the mount namespace.
func runBuild(c *context, _ []string) error {
	if c.record.Ready {
		return fmt.Errorf("cluster %s is built already", c.folder.Name)
	}
	return c.cluster.Build()
}

func runDown(c *context, arguments []string) error {
	if len(arguments) > 0 {
		return fmt.Errorf("down takes no arguments, got %q", arguments)
	}
	release, err := state.Lock(c.folder.Base, c.folder.Name)
	if err != nil {
		return err
	}
	defer release()
	return lifecycle.Down(c.folder)
}

func runStatus(c *context, _ []string) error {
	p := c.cluster.Plan
	fmt.Printf("cluster %s: slot %d, %s, started completely: %t\n", p.Name, p.Slot, p.Range(), c.record.Ready)
	ready := map[string]bool{}
	api, err := c.cluster.API()
	if err == nil {
		var names []string
		names, err = lifecycle.ReadyNodes(api)
		for _, name := range names {
			ready[name] = true
		}
	}
	if err != nil {
		fmt.Printf("API server: %v\n", err)
	}
	for _, node := range p.Nodes() {
		words := []string{"not Ready"}
		if ready[node.Name] {
			words[0] = "Ready"
		}
		if c.folder.PoweredOff(node.Name) {
			words = append(words, "powered off")
		} else if cut := network.DescribeCut(p, c.folder, node); cut != "" {
			words = append(words, "cut: "+cut)
		}
		fmt.Printf("%s %s %s %s: %s\n", node.Name, node.Zone, node.Address, node.PodSubnet, strings.Join(words, ", "))
	}
	if size, known := cgroup.MemoryBytes(p.Cgroup()); known {
		fmt.Printf("memory, page cache included: %d MiB\n", size>>20)
	}
	fmt.Printf("kubeconfig: %s\n", c.folder.Kubeconfig())
	return nil
}

// runHostExec runs a program as a client on the host: only its own view of
// /etc/resolv.conf differs.
func runHostExec(c *context, arguments []string) error {
	if len(arguments) == 0 {
		return errors.New("host-exec: name a program")
	}
	path, err := exec.LookPath("unshare")
	if err != nil {
		return fmt.Errorf("host-exec: %w", err)
	}
	const script = `mount --bind "$1" /etc/resolv.conf && shift && exec "$@"`
	argv := []string{"unshare", "--mount", "sh", "-c", script, "sh", c.folder.Path("cluster-resolv.conf")}
	return syscall.Exec(path, append(argv, arguments...), os.Environ())
}

func runNodeExec(c *context, arguments []string) error {
	if len(arguments) < 2 {
		return fmt.Errorf("node-exec: name a node and a program")
	}
	node, err := c.poweredNode(arguments[0])
	if err != nil {
		return err
	}
	path, err := exec.LookPath("nsenter")
	if err != nil {
		return fmt.Errorf("node-exec: %w", err)
	}
	argv := append([]string{"nsenter", "--net=" + c.folder.NodeNetwork(node.Name), "--"}, arguments[1:]...)
	return syscall.Exec(path, argv, os.Environ())
}

// runSteal prints the time that the hypervisor took from this machine: field 8
// of the first line of /proc/stat (proc(5)).
func runSteal(_ *context, _ []string) error {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return fmt.Errorf("read stolen time: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	const stealField = 8
	fields := strings.Fields(line)
	if len(fields) <= stealField {
		return fmt.Errorf("read stolen time: the kernel reports none: %q", line)
	}
	fmt.Println(fields[stealField])
	return nil
}
