// Package config writes the configuration file of each program of a cluster.
// The texts are in templates/; this package only fills them in.
package config

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"kintsugi/e2e/localkube/launcher/internal/plan"
	"kintsugi/e2e/localkube/launcher/internal/state"
)

// PauseImage is what holds a pod's namespaces. It is in every node before the
// first pod starts.
const PauseImage = "localhost/localkube-pause:1"

//go:embed templates
var templates embed.FS

// values are what a template may name.
type values struct {
	Plan           plan.Plan
	Folder         state.Folder
	Node           plan.Node
	User           string
	PauseImage     string
	HasNameservers bool
}

// WriteControl writes what the control plane needs, apart from certificates.
func WriteControl(p plan.Plan, folder state.Folder) error {
	resolv, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		resolv = nil // A host without a resolver still has the cluster's names.
	}
	if err := writeFile(folder.Path("resolv.conf"), resolv); err != nil {
		return err
	}
	names := fmt.Sprintf("nameserver %s\nsearch default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n", p.ControlAddress())
	if err := writeFile(folder.Path("cluster-resolv.conf"), []byte(names)); err != nil {
		return err
	}
	v := values{Plan: p, Folder: folder, HasNameservers: hasNameservers(string(resolv))}
	if err := write(folder.Path("etcd.yaml"), "etcd.yaml.tmpl", v); err != nil {
		return err
	}
	if err := write(folder.Path("Corefile"), "Corefile.tmpl", v); err != nil {
		return err
	}
	users := []string{"admin", "controller-manager", "scheduler", "kube-proxy", "coredns"}
	for _, node := range p.Nodes() {
		users = append(users, node.Name)
	}
	for _, v.User = range users {
		if err := write(folder.Path(v.User+".kubeconfig"), "kubeconfig.tmpl", v); err != nil {
			return err
		}
	}
	return nil
}

// WriteNode writes what the programs of one node need.
func WriteNode(p plan.Plan, folder state.Folder, node plan.Node) error {
	v := values{Plan: p, Folder: folder, Node: node, PauseImage: PauseImage}
	for file, name := range map[string]string{
		"containerd.toml":           "containerd.toml.tmpl",
		"kubelet.yaml":              "kubelet.yaml.tmpl",
		"kube-proxy.yaml":           "kube-proxy.yaml.tmpl",
		"cni/10-localkube.conflist": "cni.conflist.tmpl",
	} {
		if err := write(folder.NodeFile(node.Name, file), name, v); err != nil {
			return err
		}
	}
	return nil
}

func hasNameservers(resolv string) bool {
	for line := range strings.Lines(resolv) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == "nameserver" {
			return true
		}
	}
	return false
}

func write(path, name string, v values) error {
	text, err := render(name, v)
	if err != nil {
		return err
	}
	return writeFile(path, text)
}

func render(name string, v values) ([]byte, error) {
	parsed, err := template.ParseFS(templates, "templates/"+name)
	if err != nil {
		return nil, fmt.Errorf("read template %s: %w", name, err)
	}
	var text bytes.Buffer
	if err := parsed.Execute(&text, v); err != nil {
		return nil, fmt.Errorf("fill in template %s: %w", name, err)
	}
	return text.Bytes(), nil
}

func writeFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
