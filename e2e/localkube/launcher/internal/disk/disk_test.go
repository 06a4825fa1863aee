package disk

import (
	"reflect"
	"testing"
)

func TestMountsAreUnmountedFromTheDeepestUp(t *testing.T) {
	mountinfo := `20 1 254:0 / / rw - ext4 /dev/vda rw
30 20 7:1 / /state/nodes/node1 rw - ext4 /dev/loop1 rw
31 20 7:2 / /state/nodes/node10 rw - ext4 /dev/loop2 rw
32 30 0:40 / /state/nodes/node1/pods/a\040b rw - tmpfs tmpfs rw
33 32 0:41 / /state/nodes/node1/pods/a\040b rw - tmpfs tmpfs rw
34 20 7:3 / /state/volumes/node1/1 rw - ext4 /dev/loop3 rw
`
	got := mountsBelow(mountinfo, []string{"/state/nodes/node1", "/state/volumes/node1"})
	want := []string{"/state/nodes/node1/pods/a b", "/state/nodes/node1/pods/a b", "/state/volumes/node1/1", "/state/nodes/node1"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
}
