package cgroup

import (
	"reflect"
	"testing"
)

func TestMountsOfBothVersionsAreRead(t *testing.T) {
	text := `/dev/vda / ext4 rw 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,relatime,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
`
	want := []Hierarchy{
		{Mount: "/sys/fs/cgroup/cpu,cpuacct", Controllers: []string{"cpu", "cpuacct"}},
		{Mount: "/sys/fs/cgroup/systemd", Controllers: []string{"systemd"}},
		{Mount: "/sys/fs/cgroup/unified", Unified: true},
	}
	got := parseMounts(text)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if !reflect.DeepEqual(Usable(got), want[:2]) {
		t.Errorf("a hybrid host must use version 1, got %+v", Usable(got))
	}
}

func TestAHostWithOnlyVersion2UsesIt(t *testing.T) {
	got := Usable(parseMounts("cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n"))
	if len(got) != 1 || !got[0].Unified {
		t.Errorf("got %+v", got)
	}
}
