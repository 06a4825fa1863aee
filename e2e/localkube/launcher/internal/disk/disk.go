// Package disk makes, mounts, cuts off and removes the loop-mounted ext4 file
// systems of a cluster: a node's own disk and its volumes.
//
// After PowerCut a file system holds exactly what had been written back: a file
// that was synced is whole, the unsynced tail of another is gone. Mounting it
// again replays its journal, as after a real power loss.
package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"kintsugi/e2e/localkube/launcher/internal/step"
)

const (
	detachLimit = 15 * time.Second
	detachPoll  = 100 * time.Millisecond

	// shutdownRequest is FS_IOC_SHUTDOWN, _IOR('X', 125, __u32), and
	// withoutLogFlush its flag EXT4_GOING_FLAGS_NOLOGFLUSH (fs/ext4/ext4.h).
	shutdownRequest = 0x8004587d
	withoutLogFlush = 2
)

// Create makes a sparse image of an empty file system, or makes it empty again.
func Create(image string, sizeMiB int) error {
	if err := os.MkdirAll(filepath.Dir(image), 0o755); err != nil {
		return fmt.Errorf("create disk: %w", err)
	}
	_ = os.Remove(image) // A new file has no old blocks; one that is missing is fine.
	file, err := os.OpenFile(image, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("create disk: %w", err)
	}
	err = file.Truncate(int64(sizeMiB) << 20)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("create disk: %w", err)
	}
	_, err = step.Run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", image)
	if err != nil {
		return fmt.Errorf("create disk: %w", err)
	}
	return nil
}

// Mount mounts an image, replaying its journal if it needs it.
func Mount(image, at string) error {
	if err := os.MkdirAll(at, 0o755); err != nil {
		return fmt.Errorf("mount disk: %w", err)
	}
	if _, err := step.Run("mount", "-t", "ext4", "-o", "loop,noatime,noinit_itable", image, at); err != nil {
		return fmt.Errorf("mount disk: %w", err)
	}
	return nil
}

// PowerCut stops a mounted ext4 file system at once, without writing anything
// back, not even its journal. It must be unmounted afterwards.
func PowerCut(at string) error {
	folder, err := os.Open(at)
	if err != nil {
		return fmt.Errorf("cut power of disk: %w", err)
	}
	defer func() { _ = folder.Close() }()
	flag := uint32(withoutLogFlush)
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, folder.Fd(), shutdownRequest, uintptr(unsafe.Pointer(&flag)))
	if errno != 0 {
		return fmt.Errorf("cut power of disk %s: %w", at, errno)
	}
	return nil
}

// Sync writes back everything of the file system that holds a path.
func Sync(at string) error {
	if _, err := step.Run("sync", "-f", at); err != nil {
		return fmt.Errorf("sync disk: %w", err)
	}
	return nil
}

// UnmountBelow unmounts everything at and below the given folders, the deepest
// first. A mount that is still busy is detached from the tree.
func UnmountBelow(folders ...string) error {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("unmount: %w", err)
	}
	for _, point := range mountsBelow(string(text), folders) {
		if syscall.Unmount(point, 0) == nil {
			continue
		}
		if err := syscall.Unmount(point, syscall.MNT_DETACH); err != nil && err != syscall.EINVAL && err != syscall.ENOENT {
			return fmt.Errorf("unmount %s: %w", point, err)
		}
	}
	return nil
}

// WaitDetached waits until no loop device uses the image any more: only then is
// its file system closed.
func WaitDetached(image string) error {
	return step.Wait("the kernel to let go of "+image, detachLimit, detachPoll, func() (string, error) {
		users, err := step.Run("losetup", "--associated", image)
		if err != nil {
			return "", err
		}
		return strings.TrimSpace(users), nil
	})
}

// mountsBelow picks mount points out of a mountinfo text. Later mounts come
// first, so that a mount on top of another goes before it.
func mountsBelow(mountinfo string, folders []string) []string {
	var points []string
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		point := unescape(fields[4])
		for _, folder := range folders {
			if point == folder || strings.HasPrefix(point, folder+"/") {
				points = append(points, point)
				break
			}
		}
	}
	for i, j := 0, len(points)-1; i < j; i, j = i+1, j-1 {
		points[i], points[j] = points[j], points[i]
	}
	sort.SliceStable(points, func(i, j int) bool {
		return strings.Count(points[i], "/") > strings.Count(points[j], "/")
	})
	return points
}

// unescape undoes the octal escapes of mountinfo (proc(5)).
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

// Mounted reports whether something is mounted exactly at a path.
func Mounted(at string) (bool, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false, fmt.Errorf("list mounts: %w", err)
	}
	for _, point := range mountsBelow(string(text), []string{at}) {
		if point == at {
			return true, nil
		}
	}
	return false, nil
}
