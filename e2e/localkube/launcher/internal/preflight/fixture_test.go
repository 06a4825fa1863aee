package preflight

import "kintsugi/e2e/localkube/launcher/internal/plan"

func planOfFour() plan.Plan {
	return plan.Plan{Name: "demo", Slot: 2, NodeCount: 4, VolumesPerNode: 4, VolumeSizeMiB: 1024, NodeDiskMiB: 4096}
}
