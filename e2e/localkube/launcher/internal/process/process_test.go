package process

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

func TestAStatLineIsReadEvenWhenTheCommandHoldsBracketsAndSpaces(t *testing.T) {
	line := "42 (a ) (b) c) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 1"
	state, ticks, err := parseStat(line)
	if err != nil || state != 'S' || ticks != 987654 {
		t.Errorf("state %c, ticks %d, %v", state, ticks, err)
	}
}

func TestShortStatLinesAreErrors(t *testing.T) {
	for _, line := range []string{"", "42", "42 (x) S 1 2", "42 (x"} {
		if _, _, err := parseStat(line); err == nil {
			t.Errorf("%q was accepted", line)
		}
	}
}

func TestAProcessWithAnotherStartTimeIsNotSignalled(t *testing.T) {
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	identity, err := Identify(child.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	reused := identity
	reused.StartTicks--
	if err := reused.Signal(syscall.SIGKILL); !errors.Is(err, ErrGone) {
		t.Errorf("signalled a reused id: %v", err)
	}
	if !identity.Alive() {
		t.Error("the process was killed by a stale identity")
	}
	if err := identity.Signal(syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

func TestThisProcessIsAlive(t *testing.T) {
	identity, err := Identify(os.Getpid())
	if err != nil || !identity.Alive() {
		t.Errorf("%v %v", identity, err)
	}
}
