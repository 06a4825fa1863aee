package main

import (
	"os"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/loop"
	_ "github.com/coredns/coredns/plugin/metrics"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
	"github.com/spf13/cobra"
)

// newCoreDNSCommand runs CoreDNS with the plugins that kubeadm's Corefile
// names, and no others. The order of the directives is the order in which a
// query passes the plugins; it is CoreDNS's own (plugin.cfg), shortened.
func newCoreDNSCommand() *cobra.Command {
	dnsserver.Directives = []string{
		"bind", "reload", "health", "ready", "prometheus", "errors",
		"cache", "loadbalance", "kubernetes", "loop", "forward",
	}
	return &cobra.Command{
		Use: "coredns",
		// CoreDNS parses os.Args with the flag package.
		DisableFlagParsing: true,
		Run: func(_ *cobra.Command, arguments []string) {
			os.Args = append([]string{"coredns"}, arguments...)
			coremain.Run()
		},
	}
}
