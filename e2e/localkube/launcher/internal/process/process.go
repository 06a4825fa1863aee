// Package process tells processes apart by id and start time.
//
// It guarantees that a signal reaches only the process that was recorded: a
// reused id has another start time. It never looks processes up by name.
package process

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Identity is a process id with the kernel's start time of that process, in
// clock ticks since boot.
type Identity struct {
	PID        int    `json:"pid"`
	StartTicks uint64 `json:"start_ticks"`
}

// ErrGone means that the recorded process no longer runs.
var ErrGone = errors.New("the process is gone")

// Identify reads the identity of a running process.
func Identify(pid int) (Identity, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Identity{}, fmt.Errorf("identify process %d: %w", pid, ErrGone)
	}
	state, ticks, err := parseStat(string(text))
	if err != nil {
		return Identity{}, fmt.Errorf("identify process %d: %w", pid, err)
	}
	if state == 'Z' || state == 'X' {
		return Identity{}, fmt.Errorf("identify process %d: %w", pid, ErrGone)
	}
	return Identity{PID: pid, StartTicks: ticks}, nil
}

// parseStat returns the state (field 3) and the start time (field 22) of a
// line of /proc/PID/stat. The command in field 2 may hold spaces and brackets,
// so fields are counted from its last closing bracket.
func parseStat(line string) (byte, uint64, error) {
	end := strings.LastIndexByte(line, ')')
	if end < 0 {
		return 0, 0, fmt.Errorf("no command in stat line %q", line)
	}
	fields := strings.Fields(line[end+1:])
	const stateField, startField = 0, 19
	if len(fields) <= startField {
		return 0, 0, fmt.Errorf("stat line %q is too short", line)
	}
	ticks, err := strconv.ParseUint(fields[startField], 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("start time in stat line: %w", err)
	}
	return fields[stateField][0], ticks, nil
}

// Alive reports whether exactly this process still runs.
func (i Identity) Alive() bool {
	now, err := Identify(i.PID)
	return err == nil && now == i
}

// Signal sends a signal to exactly this process. It holds the process by a
// descriptor while it compares start times, so the id cannot be reused between
// the check and the signal.
func (i Identity) Signal(signal syscall.Signal) error {
	handle, err := os.FindProcess(i.PID)
	if err != nil {
		return fmt.Errorf("signal process %d: %w", i.PID, ErrGone)
	}
	defer func() { _ = handle.Release() }()
	if !i.Alive() {
		return fmt.Errorf("signal process %d: %w", i.PID, ErrGone)
	}
	if err := handle.Signal(signal); err != nil {
		if errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("signal process %d: %w", i.PID, ErrGone)
		}
		return fmt.Errorf("signal process %d: %w", i.PID, err)
	}
	return nil
}
