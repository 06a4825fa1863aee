// Command kube is every Go program of a Kubernetes cluster in one binary: the
// first argument (or the name it was started by) picks the program. They share
// most of their packages, so one binary compiles and links several times
// faster than eight, and is a seventh of the size.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// programs maps a program's usual name to what builds its command line.
var programs = map[string]func() *cobra.Command{
	"coredns":                 newCoreDNSCommand,
	"etcd":                    newEtcdCommand,
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllermanager.NewControllerManagerCommand,
	"kube-proxy":              proxy.NewProxyCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubectl":                 kubectl.NewDefaultKubectlCommand,
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
}

func main() {
	program, arguments := choose(os.Args)
	build, known := programs[program]
	if !known {
		fmt.Fprintf(os.Stderr, "unknown program %q: start as one of %s\n", program, strings.Join(names(), ", "))
		os.Exit(2)
	}
	// The programs read os.Args themselves, so it must look as if each was
	// started alone.
	os.Args = arguments
	os.Exit(cli.Run(build()))
}

// choose returns the program's name and its arguments: by the name of a link
// to this binary, or else by the first argument.
func choose(arguments []string) (string, []string) {
	name := filepath.Base(arguments[0])
	if _, known := programs[name]; known {
		return name, arguments
	}
	if len(arguments) < 2 {
		return "", arguments
	}
	return arguments[1], arguments[1:]
}

func names() []string {
	sorted := make([]string, 0, len(programs))
	for name := range programs {
		sorted = append(sorted, name)
	}
	sort.Strings(sorted)
	return sorted
}
