// Command localkube runs a real Kubernetes of several nodes on one Linux host
// and makes it fail on request. See README.md beside this module.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"kintsugi/e2e/localkube/launcher/internal/lifecycle"
	"kintsugi/e2e/localkube/launcher/internal/state"
)

// place says where a command may run.
type place int

const (
	// outside needs no cluster, or makes and removes its mount namespace.
	outside place = iota
	// inside changes a cluster: under its lock, in its mount namespace.
	inside
	// visiting enters the mount namespace without the lock, so that a fault can
	// be injected while another command waits for a node.
	visiting
	// looking stays outside of it too: it reads files or signals processes.
	looking
)

// command is one subcommand.
type command struct {
	usage string
	place place
	run   func(c *context, arguments []string) error
}

// context is what every subcommand gets.
type context struct {
	folder  state.Folder
	record  state.Record
	cluster *lifecycle.Cluster
	// arguments are the process's own, to start itself again inside.
	arguments []string
}

// exitCode is an error that ends the process without a message: the process
// that ran inside has printed one.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

func main() {
	err := dispatch(os.Args[1:])
	var code exitCode
	switch {
	case err == nil:
	case errors.As(err, &code):
		os.Exit(int(code))
	default:
		fmt.Fprintln(os.Stderr, "localkube:", err)
		os.Exit(1)
	}
}

func dispatch(arguments []string) error {
	if len(arguments) > 0 {
		switch arguments[0] {
		case lifecycle.RunInGroup:
			return lifecycle.BecomeInGroup(arguments[1:])
		case lifecycle.KeepRunning:
			return lifecycle.Keep(arguments[1:])
		case lifecycle.HoldNamespace:
			return lifecycle.Hold()
		}
	}
	flags := flag.NewFlagSet("localkube", flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(flags.Output(), usage()) }
	name := flags.String("name", "demo", "the cluster's name")
	base := flags.String("state", state.DefaultBase, "the folder that holds all clusters")
	if err := flags.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return exitCode(2)
	}
	if flags.NArg() == 0 {
		return fmt.Errorf("no command\n%s", usage())
	}
	chosen, known := commands[flags.Arg(0)]
	if !known {
		return fmt.Errorf("unknown command %q\n%s", flags.Arg(0), usage())
	}
	c := &context{folder: state.Folder{Base: *base, Name: *name}, arguments: arguments}
	return c.start(chosen, flags.Args()[1:])
}

// start runs a command at its place.
func (c *context) start(chosen command, arguments []string) error {
	if err := defaultPlan(c.folder.Name).Validate(); err != nil {
		return err
	}
	if chosen.place == outside {
		return chosen.run(c, arguments)
	}
	var err error
	if c.record, err = c.folder.Load(); err != nil {
		return err
	}
	if chosen.place != looking && !lifecycle.Inside(c.record) {
		if chosen.place == inside {
			release, err := state.Lock(c.folder.Base, c.folder.Name)
			if err != nil {
				return err
			}
			defer release()
		}
		return c.again()
	}
	if c.cluster, err = lifecycle.Open(c.folder, c.record.Plan); err != nil {
		return err
	}
	return chosen.run(c, arguments)
}

// again runs the same command inside the mount namespace.
func (c *context) again() error {
	code, err := lifecycle.RunInside(c.record, c.arguments)
	if err != nil {
		return err
	}
	if code != 0 {
		return exitCode(code)
	}
	return nil
}

func usage() string {
	var text strings.Builder
	text.WriteString("usage: localkube [--name NAME] [--state FOLDER] COMMAND\n")
	for _, name := range order {
		fmt.Fprintf(&text, "  %s\n", commands[name].usage)
	}
	return text.String()
}
