package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"kintsugi/e2e/localkube/launcher/internal/faults"
	"kintsugi/e2e/localkube/launcher/internal/lifecycle"
	"kintsugi/e2e/localkube/launcher/internal/network"
	"kintsugi/e2e/localkube/launcher/internal/plan"
	"kintsugi/e2e/localkube/launcher/internal/step"
)

var order = []string{
	"preflight", "up", "down", "status", "kubeconfig", "load-image", "recycle-volumes",
	"pid", "kill", "freeze", "revive", "power-off", "power-on", "cut", "heal", "host-exec", "node-exec", "steal",
}

var commands map[string]command

func init() {
	commands = map[string]command{
		"preflight":       {"preflight [--nodes N]                     check the host, change nothing", outside, runPreflight},
		"up":              {"up [--nodes N] [--volumes N] [--volume-mib N] [--beside-other-engines]", outside, runUp},
		"build":           {"", inside, runBuild},
		"down":            {"down                                      remove the cluster and all it made", outside, runDown},
		"status":          {"status                                    nodes, faults in force, memory", visiting, runStatus},
		"kubeconfig":      {"kubeconfig                                print the administrator's kubeconfig path", looking, runKubeconfig},
		"load-image":      {"load-image FILE.tar...                    import images into every node", inside, runLoadImage},
		"recycle-volumes": {"recycle-volumes                           empty Released volumes and offer them again", inside, runRecycle},
		"pid":             {"pid NAMESPACE/POD [CONTAINER]             print the main process as JSON", looking, runPID},
		"kill":            {"kill NAMESPACE/POD [CONTAINER]            SIGKILL its main process", looking, signaller(syscall.SIGKILL, "SIGKILL")},
		"freeze":          {"freeze NAMESPACE/POD [CONTAINER]          SIGSTOP its main process", looking, signaller(syscall.SIGSTOP, "SIGSTOP")},
		"revive":          {"revive NAMESPACE/POD [CONTAINER]          SIGCONT its main process", looking, signaller(syscall.SIGCONT, "SIGCONT")},
		"power-off":       {"power-off NODE                            lose its link, processes and unsynced data", inside, withNode((*lifecycle.Cluster).PowerOff)},
		"power-on":        {"power-on NODE                             boot it again", inside, withNode((*lifecycle.Cluster).PowerOn)},
		"cut":             {"cut NODE [--inbound] [--outbound] [--from PEER]...   lose its packets (PEER: a node or control)", visiting, runCut},
		"heal":            {"heal NODE                                 end its cut", visiting, runHeal},
		"host-exec":       {"host-exec PROGRAM...                      run a program on the host that resolves the cluster's names", looking, runHostExec},
		"node-exec":       {"node-exec NODE PROGRAM...                 run a program in a node's network", visiting, runNodeExec},
		"steal":           {"steal                                     print the host's stolen time in clock ticks", outside, runSteal},
	}
}

func defaultPlan(name string) plan.Plan {
	return plan.Plan{Name: name, NodeCount: 4, VolumesPerNode: 5, VolumeSizeMiB: 1536, NodeDiskMiB: 8192}
}

func planFlags(c *context, arguments []string) (wanted plan.Plan, beside bool, err error) {
	wanted = defaultPlan(c.folder.Name)
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	flags.IntVar(&wanted.NodeCount, "nodes", wanted.NodeCount, "how many nodes")
	flags.IntVar(&wanted.VolumesPerNode, "volumes", wanted.VolumesPerNode, "how many volumes a node")
	flags.IntVar(&wanted.VolumeSizeMiB, "volume-mib", wanted.VolumeSizeMiB, "size of a volume in MiB")
	flags.BoolVar(&beside, "beside-other-engines", false, "start although another container engine runs")
	if err := flags.Parse(arguments); err != nil {
		return wanted, false, err
	}
	return wanted, beside, wanted.Validate()
}

func runPreflight(c *context, arguments []string) error {
	wanted, beside, err := planFlags(c, arguments)
	if err != nil {
		return err
	}
	if err := lifecycle.Preflight(c.folder, wanted, beside); err != nil {
		return err
	}
	step.Say("this host can run the cluster")
	return nil
}

func runLoadImage(c *context, arguments []string) error {
	if len(arguments) == 0 {
		return errors.New("load-image: name at least one archive")
	}
	for i, archive := range arguments {
		path, err := filepath.Abs(archive)
		if err != nil {
			return err
		}
		arguments[i] = path
	}
	return c.cluster.LoadImages(arguments)
}

func runRecycle(c *context, _ []string) error { return c.cluster.RecycleVolumes() }

func runKubeconfig(c *context, _ []string) error {
	fmt.Println(c.folder.Kubeconfig())
	return nil
}

func find(c *context, arguments []string) (faults.Target, error) {
	if len(arguments) < 1 || len(arguments) > 2 {
		return faults.Target{}, errors.New("name a pod as NAMESPACE/NAME, and if it has several, a container")
	}
	api, err := c.cluster.API()
	if err != nil {
		return faults.Target{}, err
	}
	container := ""
	if len(arguments) == 2 {
		container = arguments[1]
	}
	return faults.Find(api, c.cluster.Plan, c.folder, c.record, arguments[0], container)
}

func runPID(c *context, arguments []string) error {
	target, err := find(c, arguments)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(target)
}

func signaller(signal syscall.Signal, name string) func(*context, []string) error {
	return func(c *context, arguments []string) error {
		target, err := find(c, arguments)
		if err != nil {
			return err
		}
		return faults.Send(target, signal, name)
	}
}

func withNode(act func(*lifecycle.Cluster, plan.Node) error) func(*context, []string) error {
	return func(c *context, arguments []string) error {
		if len(arguments) != 1 {
			return errors.New("name exactly one node")
		}
		node, err := c.cluster.Plan.Node(arguments[0])
		if err != nil {
			return err
		}
		return act(c.cluster, node)
	}
}

// peerList collects a flag that may be given several times or with commas.
type peerList []string

func (p *peerList) String() string { return strings.Join(*p, ",") }

func (p *peerList) Set(text string) error {
	*p = append(*p, strings.Split(text, ",")...)
	return nil
}

func runCut(c *context, arguments []string) error {
	name, cut, err := parseCut(arguments)
	if err != nil {
		return err
	}
	node, err := c.poweredNode(name)
	if err != nil {
		return err
	}
	return network.ApplyCut(c.cluster.Plan, c.folder, node, cut)
}

// parseCut reads a cut: without a direction, both are meant.
func parseCut(arguments []string) (string, network.Cut, error) {
	if len(arguments) == 0 || strings.HasPrefix(arguments[0], "-") {
		return "", network.Cut{}, errors.New("cut: name the node first, then its options")
	}
	var cut network.Cut
	var peers peerList
	flags := flag.NewFlagSet("cut", flag.ContinueOnError)
	flags.BoolVar(&cut.Inbound, "inbound", false, "only packets to the node")
	flags.BoolVar(&cut.Outbound, "outbound", false, "only packets from the node")
	flags.Var(&peers, "from", "only packets from and to this peer (repeat, or separate by commas)")
	if err := flags.Parse(arguments[1:]); err != nil {
		return "", cut, err
	}
	if flags.NArg() > 0 {
		return "", cut, fmt.Errorf("cut: %q is no option", flags.Arg(0))
	}
	if !cut.Inbound && !cut.Outbound {
		cut.Inbound, cut.Outbound = true, true
	}
	cut.Peers = peers
	return arguments[0], cut, nil
}

func runHeal(c *context, arguments []string) error {
	if len(arguments) != 1 {
		return errors.New("heal: name exactly one node")
	}
	node, err := c.poweredNode(arguments[0])
	if err != nil {
		return err
	}
	return network.Heal(c.cluster.Plan, c.folder, node)
}

// poweredNode finds a node and refuses one that is powered off.
func (c *context) poweredNode(name string) (plan.Node, error) {
	node, err := c.cluster.Plan.Node(name)
	if err == nil && c.folder.PoweredOff(name) {
		err = fmt.Errorf("%s is powered off", name)
	}
	return node, err
}
