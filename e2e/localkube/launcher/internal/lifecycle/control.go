package lifecycle

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"kintsugi/e2e/localkube/launcher/internal/config"
	"kintsugi/e2e/localkube/launcher/internal/network"
	"kintsugi/e2e/localkube/launcher/internal/pki"
	"kintsugi/e2e/localkube/launcher/internal/plan"
	"kintsugi/e2e/localkube/launcher/internal/step"
)

const (
	etcdLimit = 60 * time.Second
	apiLimit  = 120 * time.Second
	apiPoll   = 200 * time.Millisecond
)

// frontProxyClient is as whom the API server speaks to servers of aggregated
// APIs, such as metrics-server.
const frontProxyClient = "front-proxy-client"

// writeFiles makes the certificates and every configuration file.
func (c *Cluster) writeFiles() error {
	if err := c.writeCertificates(); err != nil {
		return err
	}
	if err := config.WriteControl(c.Plan, c.Folder); err != nil {
		return err
	}
	for _, node := range c.Plan.Nodes() {
		if err := config.WriteNode(c.Plan, c.Folder, node); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) writeCertificates() error {
	folder := c.Folder.Path("pki")
	authority, err := pki.New(folder, "ca", "kubernetes")
	if err != nil {
		return err
	}
	if err := authority.ServiceAccountKeys(); err != nil {
		return err
	}
	for _, subject := range subjects(c.Plan) {
		if err := authority.Issue(subject); err != nil {
			return err
		}
	}
	// An authority apart: servers of aggregated APIs believe whom it signed for
	// whatever user they name.
	frontProxy, err := pki.New(folder, "front-proxy-ca", "front-proxy-ca")
	if err != nil {
		return err
	}
	return frontProxy.Issue(pki.Subject{File: frontProxyClient, CommonName: frontProxyClient})
}

// subjects lists the users and servers of a cluster, as kubeadm names them.
func subjects(p plan.Plan) []pki.Subject {
	list := []pki.Subject{
		{
			File: "apiserver", CommonName: "kube-apiserver",
			DNSNames:  []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
			Addresses: []netip.Addr{p.ControlAddress(), p.APIServiceAddress(), netip.AddrFrom4([4]byte{127, 0, 0, 1})},
		},
		{File: "admin", CommonName: "kubernetes-admin", Organization: "system:masters"},
		{File: "apiserver-kubelet-client", CommonName: "kube-apiserver-kubelet-client", Organization: "system:masters"},
		{File: "controller-manager", CommonName: "system:kube-controller-manager"},
		{File: "scheduler", CommonName: "system:kube-scheduler"},
		{File: "kube-proxy", CommonName: "system:kube-proxy"},
		{File: "coredns", CommonName: "system:coredns"},
	}
	for _, node := range p.Nodes() {
		list = append(list, pki.Subject{
			File: node.Name, CommonName: "system:node:" + node.Name, Organization: "system:nodes",
			DNSNames: []string{node.Name}, Addresses: []netip.Addr{node.Address},
		})
	}
	return list
}

// connect makes the bridge and every node's network.
func (c *Cluster) connect() error {
	if err := network.CreateBridge(c.Plan); err != nil {
		return err
	}
	if err := network.ConnectGateway(c.Plan, c.Folder); err != nil {
		return err
	}
	for _, node := range c.Plan.Nodes() {
		if err := network.ConnectNode(c.Plan, c.Folder, node); err != nil {
			return err
		}
	}
	return nil
}

// startControlPlane starts etcd, the API server and what depends on it, in the
// host's network namespace: from there every pod's address is reachable.
func (c *Cluster) startControlPlane() error {
	step.Say("starting the control plane")
	etcd, err := c.spawn("etcd", c.controlGroup(), c.Kube, "etcd", "--config-file="+c.Folder.Path("etcd.yaml"))
	if err != nil {
		return err
	}
	etcdAddress := fmt.Sprintf("%s:2379", c.Plan.LoopbackAddress())
	err = step.Wait("etcd", etcdLimit, apiPoll, func() (string, error) {
		connection, err := net.DialTimeout("tcp", etcdAddress, time.Second)
		if err != nil {
			return err.Error(), etcd.check()
		}
		return "", connection.Close()
	})
	if err != nil {
		return err
	}
	server, err := c.spawn("kube-apiserver", c.controlGroup(), c.apiServerArguments()...)
	if err != nil {
		return err
	}
	api, err := c.API()
	if err != nil {
		return err
	}
	err = step.Wait("the API server", apiLimit, apiPoll, func() (string, error) {
		if err := api.Get("/readyz", nil); err != nil {
			return err.Error(), server.check()
		}
		return "", nil
	})
	if err != nil {
		return err
	}
	for name, arguments := range c.controllers() {
		if _, err := c.spawn(name, c.controlGroup(), append([]string{c.Kube, name}, arguments...)...); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) apiServerArguments() []string {
	key := func(name string) string { return c.Folder.Path("pki", name) }
	return []string{
		c.Kube, "kube-apiserver",
		"--bind-address=" + c.Plan.ControlAddress().String(),
		"--advertise-address=" + c.Plan.ControlAddress().String(),
		"--secure-port=6443",
		fmt.Sprintf("--etcd-servers=http://%s:2379", c.Plan.LoopbackAddress()),
		"--service-cluster-ip-range=" + c.Plan.ServiceRange().String(),
		"--client-ca-file=" + key("ca.crt"),
		"--tls-cert-file=" + key("apiserver.crt"),
		"--tls-private-key-file=" + key("apiserver.key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + key("sa.pub"),
		"--service-account-signing-key-file=" + key("sa.key"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--kubelet-certificate-authority=" + key("ca.crt"),
		"--kubelet-client-certificate=" + key("apiserver-kubelet-client.crt"),
		"--kubelet-client-key=" + key("apiserver-kubelet-client.key"),
		// The host resolves no node names and has no Service addresses.
		"--kubelet-preferred-address-types=InternalIP",
		"--enable-aggregator-routing=true",
		"--proxy-client-cert-file=" + key(frontProxyClient+".crt"),
		"--proxy-client-key-file=" + key(frontProxyClient+".key"),
		"--requestheader-client-ca-file=" + key("front-proxy-ca.crt"),
		"--requestheader-allowed-names=" + frontProxyClient,
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
	}
}

// controllers maps the other programs of the control plane to their arguments.
func (c *Cluster) controllers() map[string][]string {
	listen := "--bind-address=" + c.Plan.LoopbackAddress().String()
	return map[string][]string{
		"kube-controller-manager": {
			listen, "--leader-elect=false",
			"--kubeconfig=" + c.Folder.Path("controller-manager.kubeconfig"),
			"--service-account-private-key-file=" + c.Folder.Path("pki", "sa.key"),
			"--root-ca-file=" + c.Folder.Path("pki", "ca.crt"),
			"--use-service-account-credentials=true",
		},
		"kube-scheduler": {
			listen, "--leader-elect=false",
			"--kubeconfig=" + c.Folder.Path("scheduler.kubeconfig"),
		},
		"coredns": {"-conf", c.Folder.Path("Corefile")},
	}
}
