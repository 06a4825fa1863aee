package state

import (
	"errors"
	"os"
	"testing"

	"kintsugi/e2e/localkube/launcher/internal/plan"
)

func record(name string, slot int) Record {
	return Record{Plan: plan.Plan{Name: name, Slot: slot, NodeCount: 3, VolumesPerNode: 4, VolumeSizeMiB: 1024, NodeDiskMiB: 4096}}
}

func TestARecordIsReadBackAsItWasSaved(t *testing.T) {
	folder := Folder{Base: t.TempDir(), Name: "demo"}
	if _, err := folder.Load(); !errors.Is(err, ErrNoCluster) {
		t.Errorf("a missing cluster gave %v", err)
	}
	want := record("demo", 7)
	if err := folder.Save(want); err != nil {
		t.Fatal(err)
	}
	got, err := folder.Load()
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestSlotsOfOtherClustersAreTakenAndHalfMadeFoldersAreNot(t *testing.T) {
	base := t.TempDir()
	for name, slot := range map[string]int{"a": 3, "b": 5} {
		if err := (Folder{Base: base, Name: name}).Save(record(name, slot)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(Folder{Base: base, Name: "half"}.Path(), 0o755); err != nil {
		t.Fatal(err)
	}
	taken, err := TakenSlots(base, "a")
	if err != nil || len(taken) != 1 || taken[5] != "b" {
		t.Errorf("got %v, %v", taken, err)
	}
}

func TestADamagedRecordIsAnErrorAndNotANewCluster(t *testing.T) {
	folder := Folder{Base: t.TempDir(), Name: "demo"}
	if err := folder.Save(record("demo", 1)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(folder.Path("cluster.json"), []byte(`{"plan":{"name":"demo","slot":99}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := folder.Load(); err == nil || errors.Is(err, ErrNoCluster) {
		t.Errorf("got %v", err)
	}
}
