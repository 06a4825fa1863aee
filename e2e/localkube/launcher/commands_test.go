package main

import (
	"reflect"
	"testing"

	"kintsugi/e2e/localkube/launcher/internal/network"
)

func TestCutsAreRead(t *testing.T) {
	for _, test := range []struct {
		arguments []string
		want      network.Cut
	}{
		{[]string{"node1"}, network.Cut{Inbound: true, Outbound: true}},
		{[]string{"node1", "--inbound"}, network.Cut{Inbound: true}},
		{[]string{"node1", "--outbound", "--from", "node2"}, network.Cut{Outbound: true, Peers: []string{"node2"}}},
		{[]string{"node1", "--from", "node2,node3", "--from", "control"}, network.Cut{Inbound: true, Outbound: true, Peers: []string{"node2", "node3", "control"}}},
	} {
		name, got, err := parseCut(test.arguments)
		if err != nil || name != "node1" || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%v: got %s %+v, %v", test.arguments, name, got, err)
		}
	}
}

func TestUnclearCutsAreRefused(t *testing.T) {
	for _, arguments := range [][]string{{}, {"--inbound"}, {"node1", "node2"}, {"node1", "--sideways"}} {
		if _, _, err := parseCut(arguments); err == nil {
			t.Errorf("%v was accepted", arguments)
		}
	}
}

func TestEveryListedCommandExists(t *testing.T) {
	for _, name := range order {
		if commands[name].run == nil || commands[name].usage == "" {
			t.Errorf("%s has no program or no usage", name)
		}
	}
}
