package step

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestAWaitEndsAtItsLimitAndSaysWhatIsMissing(t *testing.T) {
	err := Wait("the thing", 20*time.Millisecond, time.Millisecond, func() (string, error) { return "no thing yet", nil })
	if err == nil || !strings.Contains(err.Error(), "no thing yet") {
		t.Errorf("got %v", err)
	}
}

func TestAnErrorEndsAWaitAtOnce(t *testing.T) {
	broken := errors.New("broken")
	calls := 0
	err := Wait("the thing", time.Hour, time.Millisecond, func() (string, error) { calls++; return "", broken })
	if !errors.Is(err, broken) || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
}

func TestACommandEndsAtItsLimit(t *testing.T) {
	begin := time.Now()
	_, err := RunWith(50*time.Millisecond, "", "sleep", "30")
	if err == nil || time.Since(begin) > 10*time.Second {
		t.Errorf("got %v after %s", err, time.Since(begin))
	}
}

func TestAFailedCommandsErrorHoldsWhatItSaid(t *testing.T) {
	_, err := Run("sh", "-c", "echo reason >&2; exit 3")
	if err == nil || !strings.Contains(err.Error(), "reason") {
		t.Errorf("got %v", err)
	}
}

func TestParallelWorkReportsEveryError(t *testing.T) {
	err := Parallel([]string{"a", "b", "c"}, func(item string) error {
		if item == "b" {
			return nil
		}
		return errors.New(item)
	})
	if err == nil || !strings.Contains(err.Error(), "a") || !strings.Contains(err.Error(), "c") {
		t.Errorf("got %v", err)
	}
}
