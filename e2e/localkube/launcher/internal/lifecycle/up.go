package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"kintsugi/e2e/localkube/launcher/internal/plan"
	"kintsugi/e2e/localkube/launcher/internal/preflight"
	"kintsugi/e2e/localkube/launcher/internal/state"
	"kintsugi/e2e/localkube/launcher/internal/step"
)

// Claim is the part of `up` outside the mount namespace: it checks the host,
// chooses a slot, and makes the folder, the control groups and the mount
// namespace. It returns a record to build in, or already says that the cluster
// is up. Leftovers of a run that was killed are removed first.
func Claim(folder state.Folder, wanted plan.Plan, besideOtherEngines bool) (record state.Record, already bool, err error) {
	record, err = folder.Load()
	if err == nil && record.Ready && record.Holder.Alive() {
		return record, true, sameShape(record.Plan, wanted)
	}
	if problems := preflight.Host(folder.Base, wanted, besideOtherEngines); len(problems) > 0 {
		return record, false, refuse(problems)
	}
	if err == nil || !errors.Is(err, state.ErrNoCluster) || exists(folder.Path()) {
		step.Say("cluster %s: removing what an earlier run left", folder.Name)
		if err := Down(folder); err != nil {
			return record, false, fmt.Errorf("remove what an earlier run left: %w", err)
		}
	}
	release, err := state.Lock(folder.Base, "host")
	if err != nil {
		return record, false, err
	}
	defer release()
	p, err := chooseSlot(folder, wanted)
	if err != nil {
		return record, false, err
	}
	cluster, err := Open(folder, p)
	if err != nil {
		return record, false, err
	}
	if err := state.RecordHostChanges(folder.Base); err != nil {
		return record, false, err
	}
	record = state.Record{Plan: p}
	if err := folder.Save(record); err != nil {
		return record, false, err
	}
	for _, name := range []string{"logs", "processes"} {
		if err := os.MkdirAll(folder.Path(name), 0o755); err != nil {
			return record, false, fmt.Errorf("make the cluster's folder: %w", err)
		}
	}
	if err := cluster.makeGroups(); err != nil {
		return record, false, err
	}
	if record.Holder, err = cluster.startHolder(); err != nil {
		return record, false, err
	}
	return record, false, folder.Save(record)
}

// Preflight runs every check of `up` and changes nothing.
func Preflight(folder state.Folder, wanted plan.Plan, besideOtherEngines bool) error {
	if problems := preflight.Host(folder.Base, wanted, besideOtherEngines); len(problems) > 0 {
		return refuse(problems)
	}
	_, err := chooseSlot(folder, wanted)
	return err
}

// chooseSlot takes the name's preferred slot, or the next one that is free.
func chooseSlot(folder state.Folder, wanted plan.Plan) (plan.Plan, error) {
	taken, err := state.TakenSlots(folder.Base, folder.Name)
	if err != nil {
		return wanted, err
	}
	slot, reasons := nextSlot(plan.PreferredSlot(wanted.Name), taken, func(slot int) []string {
		wanted.Slot = slot
		return preflight.Slot(wanted)
	})
	if len(reasons) > 0 {
		return wanted, refuse(append([]string{"no slot is free"}, reasons...))
	}
	wanted.Slot = slot
	return wanted, wanted.Validate()
}

// nextSlot finds the first slot, from the preferred one on, that no cluster has
// and that check finds no problem with; or else why each is not free.
func nextSlot(preferred int, taken map[int]string, check func(slot int) []string) (slot int, reasons []string) {
	for offset := range plan.Slots {
		slot := (preferred + offset) % plan.Slots
		if other, busy := taken[slot]; busy {
			reasons = append(reasons, fmt.Sprintf("slot %d: cluster %s has it", slot, other))
			continue
		}
		problems := check(slot)
		if len(problems) == 0 {
			return slot, nil
		}
		reasons = append(reasons, fmt.Sprintf("slot %d: %s", slot, problems[0]))
	}
	return 0, reasons
}

// sameShape refuses to change a running cluster.
func sameShape(running, wanted plan.Plan) error {
	wanted.Slot = running.Slot
	if running != wanted {
		return fmt.Errorf("cluster %s is up with %d nodes of %d volumes of %d MiB; take it down before you change that",
			running.Name, running.NodeCount, running.VolumesPerNode, running.VolumeSizeMiB)
	}
	return nil
}

func refuse(problems []string) error {
	return fmt.Errorf("this host cannot run the cluster; nothing was changed:\n  - %s", strings.Join(problems, "\n  - "))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Build is the part of `up` inside the mount namespace: it starts the control
// plane and the nodes, and waits until pods can run.
func (c *Cluster) Build() error {
	step.Say("cluster %s: slot %d, %s, %d nodes", c.Plan.Name, c.Plan.Slot, c.Plan.Range(), c.Plan.NodeCount)
	if err := c.writeFiles(); err != nil {
		return err
	}
	if err := c.connect(); err != nil {
		return err
	}
	nodes := c.Plan.Nodes()
	disks := make(chan error, 1)
	go func() { disks <- step.Parallel(nodes, c.createDisks) }()
	apiErr := c.startControlPlane()
	if err := errors.Join(apiErr, <-disks); err != nil {
		return err
	}
	step.Say("the API server is ready; starting %d nodes", len(nodes))
	if err := step.Parallel(nodes, c.startRuntime); err != nil {
		return err
	}
	archives, err := c.imageArchives()
	if err != nil {
		return err
	}
	step.Say("loading %d images into every node", len(archives))
	if err := c.loadInto(nodes, archives); err != nil {
		return err
	}
	if err := step.Parallel(nodes, c.startKubelet); err != nil {
		return err
	}
	if err := c.startGateway(); err != nil {
		return err
	}
	if err := c.createObjects(); err != nil {
		return err
	}
	return c.waitUsable()
}
