package lifecycle

import (
	"fmt"
	"time"

	"kintsugi/e2e/localkube/launcher/internal/kubeapi"
	"kintsugi/e2e/localkube/launcher/internal/plan"
	"kintsugi/e2e/localkube/launcher/internal/step"
)

const (
	readyLimit = 120 * time.Second
	readyPoll  = 250 * time.Millisecond

	// StorageClass is the default class, of which every volume is.
	StorageClass = "local"
)

// object is a Kubernetes object as JSON.
type object = map[string]any

// createObjects applies what a fresh cluster lacks: DNS with its rights, the
// storage class and one PersistentVolume for each volume.
func (c *Cluster) createObjects() error {
	api, err := c.API()
	if err != nil {
		return err
	}
	step.Say("creating the storage class, %d volumes and the DNS service", c.Plan.NodeCount*c.Plan.VolumesPerNode)
	for _, one := range c.dnsObjects() {
		if err := api.Apply(one.path, one.content); err != nil {
			return err
		}
	}
	err = api.Apply("/apis/storage.k8s.io/v1/storageclasses/"+StorageClass, object{
		"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
		"metadata": object{
			"name":        StorageClass,
			"annotations": object{"storageclass.kubernetes.io/is-default-class": "true"},
		},
		"provisioner":       "kubernetes.io/no-provisioner",
		"volumeBindingMode": "WaitForFirstConsumer",
		"reclaimPolicy":     "Retain",
	})
	if err != nil {
		return err
	}
	for _, node := range c.Plan.Nodes() {
		for number := 1; number <= c.Plan.VolumesPerNode; number++ {
			name := volumeName(node, number)
			if err := api.Apply("/api/v1/persistentvolumes/"+name, c.volumeObject(node, number)); err != nil {
				return err
			}
		}
	}
	return nil
}

func volumeName(node plan.Node, number int) string {
	return fmt.Sprintf("%s-volume-%d", node.Name, number)
}

func (c *Cluster) volumeObject(node plan.Node, number int) object {
	onNode := object{"key": "kubernetes.io/hostname", "operator": "In", "values": []string{node.Name}}
	return object{
		"apiVersion": "v1", "kind": "PersistentVolume",
		"metadata": object{"name": volumeName(node, number), "labels": object{"localkube/node": node.Name}},
		"spec": object{
			"capacity":                      object{"storage": fmt.Sprintf("%dMi", c.Plan.VolumeSizeMiB)},
			"accessModes":                   []string{"ReadWriteOnce"},
			"persistentVolumeReclaimPolicy": "Retain",
			"storageClassName":              StorageClass,
			"local":                         object{"path": c.Folder.Volume(node.Name, number)},
			"nodeAffinity": object{"required": object{
				"nodeSelectorTerms": []object{{"matchExpressions": []object{onNode}}},
			}},
		},
	}
}

type placedObject struct {
	path    string
	content object
}

// dnsObjects are the Service that pods ask for names, in front of the CoreDNS
// that runs beside the control plane, and CoreDNS's rights as kubeadm gives them.
func (c *Cluster) dnsObjects() []placedObject {
	const rbac, service = "rbac.authorization.k8s.io/v1", "kube-dns"
	labels := object{"k8s-app": service, "kubernetes.io/service-name": service}
	watch := []string{"list", "watch"}
	ports := func(targetKey string) []object {
		list := []object{
			{"name": "dns", "protocol": "UDP", "port": 53},
			{"name": "dns-tcp", "protocol": "TCP", "port": 53},
		}
		if targetKey != "" {
			for _, port := range list {
				port[targetKey] = 53
			}
		}
		return list
	}
	return []placedObject{
		{"/apis/" + rbac + "/clusterroles/system:coredns", object{
			"apiVersion": rbac, "kind": "ClusterRole", "metadata": object{"name": "system:coredns"},
			"rules": []object{
				{"apiGroups": []string{""}, "resources": []string{"endpoints", "services", "pods", "namespaces"}, "verbs": watch},
				{"apiGroups": []string{"discovery.k8s.io"}, "resources": []string{"endpointslices"}, "verbs": watch},
			},
		}},
		{"/apis/" + rbac + "/clusterrolebindings/system:coredns", object{
			"apiVersion": rbac, "kind": "ClusterRoleBinding", "metadata": object{"name": "system:coredns"},
			"roleRef":  object{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"},
			"subjects": []object{{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "system:coredns"}},
		}},
		{"/api/v1/namespaces/kube-system/services/" + service, object{
			"apiVersion": "v1", "kind": "Service",
			"metadata": object{"name": service, "namespace": "kube-system", "labels": object{"k8s-app": service}},
			"spec":     object{"clusterIP": c.Plan.DNSServiceAddress().String(), "ports": ports("targetPort")},
		}},
		{"/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices/" + service + "-host", object{
			"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
			"metadata":    object{"name": service + "-host", "namespace": "kube-system", "labels": labels},
			"addressType": "IPv4",
			"endpoints":   []object{{"addresses": []string{c.Plan.ControlAddress().String()}, "conditions": object{"ready": true}}},
			"ports":       ports(""),
		}},
	}
}

// waitUsable waits until every node is Ready and pods can be created.
func (c *Cluster) waitUsable() error {
	api, err := c.API()
	if err != nil {
		return err
	}
	err = step.Wait("every node to be Ready", readyLimit, readyPoll, func() (string, error) {
		ready, err := ReadyNodes(api)
		if err != nil {
			return err.Error(), nil
		}
		if len(ready) < c.Plan.NodeCount {
			return fmt.Sprintf("%d of %d are; see %s", len(ready), c.Plan.NodeCount, c.Folder.Log("node*-kubelet")), nil
		}
		return "", nil
	})
	if err != nil {
		return err
	}
	// A pod's first use of this account would race its creation.
	return step.Wait("the default service account", readyLimit, readyPoll, func() (string, error) {
		if err := api.Get("/api/v1/namespaces/default/serviceaccounts/default", nil); err != nil {
			return err.Error(), nil
		}
		return "", nil
	})
}

// ReadyNodes lists the names of the nodes whose condition Ready is true.
func ReadyNodes(api *kubeapi.Client) ([]string, error) {
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct {
				Conditions []struct{ Type, Status string }
			}
		}
	}
	if err := api.Get("/api/v1/nodes", &list); err != nil {
		return nil, err
	}
	var ready []string
	for _, node := range list.Items {
		for _, condition := range node.Status.Conditions {
			if condition.Type == "Ready" && condition.Status == "True" {
				ready = append(ready, node.Metadata.Name)
			}
		}
	}
	return ready, nil
}
