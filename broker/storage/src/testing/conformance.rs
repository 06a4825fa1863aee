//! The suite that every file system passes.

use std::any::Any;
use std::path::{Path, PathBuf};

use crate::fs::{File, FileSystem, FsError, OpenMode};

type Case<F> = fn(&F, &Path) -> Result<(), FsError>;

const SIZE_MAX_BYTES: u64 = 1 << 20;

/// Checks what [`FileSystem`] and [`File`] promise. `make` gives a file system, an existing empty
/// directory on it, and something to keep alive meanwhile.
///
/// # Panics
/// When a promise is broken.
pub fn file_system_conformance<F: FileSystem>(make: impl Fn() -> (F, PathBuf, Box<dyn Any>)) {
    let cases: [(&str, Case<F>); 7] = [
        ("reads and writes", reads_and_writes),
        ("lengths", lengths),
        ("opening", opening),
        ("names", names),
        ("renaming", renaming),
        ("removing", removing),
        ("atomic replacement", atomic_replacement),
    ];
    for (name, case) in cases {
        let (fs, directory, _kept) = make();
        if let Err(error) = case(&fs, &directory) {
            panic!("{name}: {error}");
        }
    }
}

fn reads_and_writes<F: FileSystem>(fs: &F, directory: &Path) -> Result<(), FsError> {
    let file = fs.open(&directory.join("f"), OpenMode::Create)?;
    file.write_at(b"hello", 0)?;
    file.write_at(b"world", 10)?;
    file.write_at(b"L", 3)?;
    assert_eq!(file.size_bytes()?, 15);
    let mut buffer = [7; 20];
    assert_eq!(file.read_full_at(&mut buffer, 0)?, 15);
    assert_eq!(&buffer[..15], b"helLo\0\0\0\0\0world");
    assert_eq!(file.read_full_at(&mut buffer, 12)?, 3);
    assert_eq!(file.read_at(&mut buffer, 15)?, 0);
    assert_eq!(file.read_at(&mut buffer, 1_000)?, 0);
    file.sync_data()?;
    // What one handle wrote, another reads.
    let other = fs.open(&directory.join("f"), OpenMode::Read)?;
    assert_eq!(other.read_full_at(&mut buffer[..5], 0)?, 5);
    assert_eq!(&buffer[..5], b"helLo");
    assert!(other.write_at(b"x", 0).is_err());
    Ok(())
}

fn lengths<F: FileSystem>(fs: &F, directory: &Path) -> Result<(), FsError> {
    let path = directory.join("f");
    let file = fs.open(&path, OpenMode::Create)?;
    file.write_at(b"hello", 0)?;
    file.set_len(2)?;
    file.set_len(4)?;
    assert_eq!(fs.read_to_vec(&path, SIZE_MAX_BYTES)?, b"he\0\0");
    file.allocate_zeroed(200_000)?;
    assert_eq!(file.size_bytes()?, 200_000);
    let content = fs.read_to_vec(&path, SIZE_MAX_BYTES)?;
    assert_eq!(&content[..2], b"he");
    assert!(content[2..].iter().all(|byte| *byte == 0));
    file.allocate_zeroed(5)?;
    assert_eq!(file.size_bytes()?, 200_000);
    assert!(fs.read_to_vec(&path, 100).is_err());
    assert_eq!(fs.size_of(&path)?, Some(200_000));
    assert_eq!(fs.size_of(&directory.join("no"))?, None);
    Ok(())
}

fn opening<F: FileSystem>(fs: &F, directory: &Path) -> Result<(), FsError> {
    let path = directory.join("f");
    for mode in [OpenMode::Read, OpenMode::Write] {
        let missing = fs.open(&path, mode).err().map(|error| error.is_not_found());
        assert_eq!(missing, Some(true));
    }
    assert!(fs.open(&directory.join("no/f"), OpenMode::Create).is_err());
    fs.open(&path, OpenMode::Create)?.write_at(b"kept", 0)?;
    fs.open(&path, OpenMode::Create)?.write_at(b"K", 0)?;
    fs.open(&path, OpenMode::Write)?.write_at(b"T", 3)?;
    assert_eq!(fs.read_to_vec(&path, SIZE_MAX_BYTES)?, b"KepT");
    Ok(())
}

fn names<F: FileSystem>(fs: &F, directory: &Path) -> Result<(), FsError> {
    fs.create_dir_all(&directory.join("a/b"))?;
    fs.create_dir_all(&directory.join("a/b"))?;
    for name in ["z", "m"] {
        fs.open(&directory.join("a").join(name), OpenMode::Create)?;
    }
    assert_eq!(fs.read_dir(&directory.join("a"))?, ["b", "m", "z"]);
    assert!(fs.exists(&directory.join("a/b"))?);
    assert!(fs.exists(&directory.join("a/z"))?);
    assert!(!fs.exists(&directory.join("a/y"))?);
    assert!(fs.read_dir(&directory.join("y")).is_err());
    fs.sync_dir(&directory.join("a"))?;
    assert!(fs.sync_dir(&directory.join("y")).is_err());
    Ok(())
}

fn renaming<F: FileSystem>(fs: &F, directory: &Path) -> Result<(), FsError> {
    let [a, b] = ["a", "b"].map(|name| directory.join(name));
    fs.open(&a, OpenMode::Create)?.write_at(b"new", 0)?;
    let replaced = fs.open(&b, OpenMode::Create)?;
    replaced.write_at(b"old", 0)?;
    fs.rename(&a, &b)?;
    assert_eq!(fs.read_to_vec(&b, SIZE_MAX_BYTES)?, b"new");
    assert!(!fs.exists(&a)?);
    // A file that lost its name lives as long as it is open.
    let mut buffer = [0; 3];
    assert_eq!(replaced.read_full_at(&mut buffer, 0)?, 3);
    assert_eq!(&buffer, b"old");
    let missing = fs.rename(&a, &b).err().map(|error| error.is_not_found());
    assert_eq!(missing, Some(true));
    fs.create_dir_all(&directory.join("d"))?;
    fs.open(&directory.join("d/f"), OpenMode::Create)?;
    assert!(fs.rename(&b, &directory.join("d/b")).is_err());
    fs.rename(&directory.join("d"), &directory.join("e"))?;
    assert!(fs.exists(&directory.join("e/f"))?);
    // A directory that holds something is replaced by none.
    fs.create_dir_all(&directory.join("g/h"))?;
    let taken = fs.rename(&directory.join("g"), &directory.join("e")).err();
    assert!(taken.is_some_and(|error| error.is_taken()));
    assert!(fs.exists(&directory.join("e/f"))? && fs.exists(&directory.join("g/h"))?);
    Ok(())
}

fn removing<F: FileSystem>(fs: &F, directory: &Path) -> Result<(), FsError> {
    let path = directory.join("f");
    let file = fs.open(&path, OpenMode::Create)?;
    fs.remove_file(&path)?;
    assert!(!fs.exists(&path)?);
    file.write_at(b"still open", 0)?;
    let missing = fs
        .remove_file(&path)
        .err()
        .map(|error| error.is_not_found());
    assert_eq!(missing, Some(true));
    fs.create_dir_all(&directory.join("d/e"))?;
    fs.open(&directory.join("d/e/f"), OpenMode::Create)?;
    assert!(fs.remove_file(&directory.join("d")).is_err());
    fs.remove_dir_all(&directory.join("d"))?;
    assert_eq!(fs.read_dir(directory)?, Vec::<String>::new());
    assert!(fs.remove_dir_all(&directory.join("d")).is_err());
    Ok(())
}

fn atomic_replacement<F: FileSystem>(fs: &F, directory: &Path) -> Result<(), FsError> {
    let path = directory.join("f");
    fs.write_atomically(&path, b"a longer first content")?;
    fs.write_atomically(&path, b"second")?;
    assert_eq!(fs.read_to_vec(&path, SIZE_MAX_BYTES)?, b"second");
    assert_eq!(fs.read_dir(directory)?, ["f"]);
    Ok(())
}
