// Package step runs the commands and waits that a long operation consists of.
//
// It guarantees that every command and every wait ends within its limit, and
// that a wait says what it waits for. It never retries a command by itself.
package step

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Limits of what a step may take.
const (
	// CommandLimit ends ordinary commands (ip, nft, mount).
	CommandLimit = 60 * time.Second
	// reportEvery is how often a wait says that it still waits.
	reportEvery = 5 * time.Second
	// maxErrorBytes bounds how much of a failed command's output is shown.
	maxErrorBytes = 2000
	// maxLineRunes bounds what a line of progress says is missing.
	maxLineRunes = 120
)

var started = time.Now()

// Say prints one line of progress with the seconds since the start.
func Say(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "[%6.1fs] %s\n", time.Since(started).Seconds(), fmt.Sprintf(format, arguments...))
}

// Run runs a command within CommandLimit and returns what it printed.
func Run(name string, arguments ...string) (string, error) {
	return RunWith(CommandLimit, "", name, arguments...)
}

// RunWith runs a command within a limit, with text as its standard input.
// A failure's message holds the command and the end of its output.
func RunWith(limit time.Duration, input, name string, arguments ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	command := exec.CommandContext(ctx, name, arguments...)
	command.WaitDelay = time.Second
	if input != "" {
		command.Stdin = strings.NewReader(input)
	}
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("not done after %s", limit)
		}
		said := strings.TrimSpace(stderr.String() + stdout.String())
		if len(said) > maxErrorBytes {
			said = "…" + said[len(said)-maxErrorBytes:]
		}
		return stdout.String(), fmt.Errorf("run %s %s: %w: %s", name, strings.Join(arguments, " "), err, said)
	}
	return stdout.String(), nil
}

// Each runs commands in order and stops at the first that fails.
func Each(commands ...[]string) error {
	for _, command := range commands {
		if _, err := Run(command[0], command[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// Wait polls until check finds nothing missing. What is missing is printed every
// few seconds and is part of the error when the limit passes; an error from
// check ends the wait at once.
func Wait(what string, limit, poll time.Duration, check func() (missing string, err error)) error {
	begin := time.Now()
	next := begin.Add(reportEvery)
	for {
		missing, err := check()
		if err != nil {
			return fmt.Errorf("wait for %s: %w", what, err)
		}
		if missing == "" {
			return nil
		}
		now := time.Now()
		if now.Sub(begin) > limit {
			return fmt.Errorf("wait for %s: not there after %s: %s", what, limit, missing)
		}
		if now.After(next) {
			next = now.Add(reportEvery)
			Say("still waiting for %s, %.0f of at most %.0f s: %s", what, now.Sub(begin).Seconds(), limit.Seconds(), oneLine(missing))
		}
		time.Sleep(poll)
	}
}

// oneLine shortens a text to fit a line of progress.
func oneLine(text string) string {
	line := strings.Join(strings.Fields(text), " ")
	if runes := []rune(line); len(runes) > maxLineRunes {
		return string(runes[:maxLineRunes]) + "…"
	}
	return line
}

// Parallel runs work for every item at once and joins the errors.
func Parallel[T any](items []T, work func(T) error) error {
	errs := make(chan error, len(items))
	for _, item := range items {
		go func() { errs <- work(item) }()
	}
	var joined error
	for range items {
		joined = errors.Join(joined, <-errs)
	}
	return joined
}
