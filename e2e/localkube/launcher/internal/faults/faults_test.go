package faults

import (
	"encoding/json"
	"errors"
	"testing"

	"kintsugi/e2e/localkube/launcher/internal/plan"
	"kintsugi/e2e/localkube/launcher/internal/process"
)

func TestTheFirstOrTheNamedContainerIsChosen(t *testing.T) {
	statuses := []containerStatus{{Name: "broker", ContainerID: "containerd://a"}, {Name: "side", ContainerID: "containerd://b"}}
	for container, wanted := range map[string]string{"": "broker", "side": "side"} {
		got, err := choose(statuses, container)
		if err != nil || got.Name != wanted {
			t.Errorf("%q: got %s, %v", container, got.Name, err)
		}
	}
	if _, err := choose(statuses, "absent"); !errors.Is(err, ErrNotRunning) {
		t.Errorf("got %v", err)
	}
	if _, err := choose([]containerStatus{{Name: "broker"}}, ""); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a container without an id gave %v", err)
	}
}

func TestOnlyProcessesInTheContainersOwnGroupBelong(t *testing.T) {
	p := plan.Plan{Name: "demo"}
	for groups, wanted := range map[string]bool{
		"5:pids:/localkube-demo/node1/kubepods/burstable/podu/abc\n": true,
		"0::/localkube-demo/node1/kubepods/burstable/podu/abc\n":     true,
		"0::/localkube-demo/node2/kubepods/burstable/podu/abc\n":     false,
		"0::/localkube-other/node1/kubepods/burstable/podu/abc\n":    false,
		"0::/localkube-demo/node1/kubepods/burstable/podu/other\n":   false,
		"0::/user.slice\n": false,
	} {
		if belongs(groups, p, "node1", "abc") != wanted {
			t.Errorf("%q: want %t", groups, wanted)
		}
	}
}

func TestATargetsProcessIsPrintedBesideItsPod(t *testing.T) {
	target := Target{Pod: "a/b", Container: "c", Node: "node1", Identity: process.Identity{PID: 7, StartTicks: 9}}
	text, err := json.Marshal(target)
	want := `{"pod":"a/b","container":"c","node":"node1","pid":7,"start_ticks":9}`
	if err != nil || string(text) != want {
		t.Errorf("got %s, %v", text, err)
	}
}
