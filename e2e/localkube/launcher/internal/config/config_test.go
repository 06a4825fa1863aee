package config

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"kintsugi/e2e/localkube/launcher/internal/plan"
	"kintsugi/e2e/localkube/launcher/internal/state"
)

func TestEveryFileOfAClusterIsWrittenAndNamesOnlyItsOwnAddresses(t *testing.T) {
	p := plan.Plan{Name: "demo", Slot: 4, NodeCount: 2, VolumesPerNode: 1, VolumeSizeMiB: 64, NodeDiskMiB: 1024}
	folder := state.Folder{Base: t.TempDir(), Name: "demo"}
	if err := WriteControl(p, folder); err != nil {
		t.Fatal(err)
	}
	node := p.Nodes()[1]
	if err := WriteNode(p, folder, node); err != nil {
		t.Fatal(err)
	}
	for path, wanted := range map[string]string{
		folder.Path("etcd.yaml"):                    "listen-client-urls: http://127.77.4.1:2379",
		folder.Path("node2.kubeconfig"):             "server: https://10.212.0.1:6443",
		folder.Path("Corefile"):                     "bind 10.212.0.1",
		folder.NodeFile("node2", "kubelet.yaml"):    "cgroupRoot: /localkube-demo/node2",
		folder.NodeFile("node2", "containerd.toml"): `address = "/run/localkube/node2/containerd.sock"`,
		folder.NodeFile("node2", "kube-proxy.yaml"): "clusterCIDR: 10.212.16.0/20",
	} {
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), wanted) {
			t.Errorf("%s lacks %q: %v", path, wanted, err)
		}
	}
	network, err := os.ReadFile(folder.NodeFile("node2", "cni/10-localkube.conflist"))
	if err != nil || !json.Valid(network) {
		t.Errorf("the pod network's configuration is not JSON: %v", err)
	}
}

func TestNamesAreAnsweredAsKubeadmShipsThem(t *testing.T) {
	text, err := render("Corefile.tmpl", values{})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"ttl 30", "cache 30 {", "disable success cluster.local", "pods insecure"} {
		if !strings.Contains(string(text), line) {
			t.Errorf("the Corefile lacks %q", line)
		}
	}
	if strings.Contains(string(text), "forward") {
		t.Error("a host without nameservers must not forward queries")
	}
}

func TestCommentsAreNotNameservers(t *testing.T) {
	if hasNameservers("# nameserver 1.2.3.4\nsearch x\n") || !hasNameservers("nameserver 1.2.3.4\n") {
		t.Error("nameserver lines are misread")
	}
}
