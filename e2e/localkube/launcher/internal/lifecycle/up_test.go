package lifecycle

import (
	"testing"

	"kintsugi/e2e/localkube/launcher/internal/plan"
)

func free(int) []string { return nil }

func TestAFreePreferredSlotIsTaken(t *testing.T) {
	if slot, reasons := nextSlot(5, map[int]string{4: "a"}, free); slot != 5 || reasons != nil {
		t.Errorf("got %d, %v", slot, reasons)
	}
}

func TestSlotsOfOthersAndSlotsWithProblemsAreSkippedAroundTheEnd(t *testing.T) {
	taken := map[int]string{plan.Slots - 1: "a"}
	check := func(slot int) []string {
		if slot == 0 {
			return []string{"in use"}
		}
		return nil
	}
	if slot, reasons := nextSlot(plan.Slots-1, taken, check); slot != 1 || reasons != nil {
		t.Errorf("got %d, %v", slot, reasons)
	}
}

func TestAFullHostNamesTheReasonOfEverySlot(t *testing.T) {
	_, reasons := nextSlot(3, map[int]string{3: "a"}, func(int) []string { return []string{"in use"} })
	if len(reasons) != plan.Slots {
		t.Errorf("got %d reasons", len(reasons))
	}
}

func TestARunningClusterIsNotChangedByAnotherShape(t *testing.T) {
	running := plan.Plan{Name: "demo", Slot: 3, NodeCount: 4}
	if err := sameShape(running, plan.Plan{Name: "demo", NodeCount: 4}); err != nil {
		t.Error(err)
	}
	if err := sameShape(running, plan.Plan{Name: "demo", NodeCount: 5}); err == nil {
		t.Error("more nodes were accepted")
	}
}
