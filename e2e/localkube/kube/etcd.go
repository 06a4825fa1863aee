package main

import (
	"context"
	"fmt"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
)

// newEtcdCommand runs one etcd member from a configuration file until SIGTERM.
// etcd's own main package also works, but it brings its gateway, its gRPC
// proxy and their flags; the embedded server is all that a cluster needs.
func newEtcdCommand() *cobra.Command {
	var configFile string
	command := &cobra.Command{
		Use:          "etcd",
		SilenceUsage: true,
		RunE: func(command *cobra.Command, _ []string) error {
			return runEtcd(command.Context(), configFile)
		},
	}
	command.Flags().StringVar(&configFile, "config-file", "", "etcd's configuration file (YAML)")
	return command
}

func runEtcd(parent context.Context, configFile string) error {
	if parent == nil {
		parent = context.Background()
	}
	stopped, release := signal.NotifyContext(parent, syscall.SIGTERM, syscall.SIGINT)
	defer release()
	config, err := embed.ConfigFromFile(configFile)
	if err != nil {
		return fmt.Errorf("read etcd's configuration %s: %w", configFile, err)
	}
	server, err := embed.StartEtcd(config)
	if err != nil {
		return fmt.Errorf("start etcd: %w", err)
	}
	defer server.Close()
	select {
	case err = <-server.Err():
		return fmt.Errorf("etcd stopped: %w", err)
	case <-stopped.Done():
		return nil
	}
}
