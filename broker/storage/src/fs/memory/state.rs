//! The tree of files in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path};

use super::Kept;
use super::content::Content;
use super::directory::{Directory, Inode};
use super::faults::{FaultPlan, input_output_error};
use crate::fs::OpenMode;

const ROOT: Inode = 0;

/// Removals after which files that nothing can reach any more are freed.
const REMOVALS_PER_COLLECTION: u32 = 32;

enum Node {
    File(Content),
    Directory(Directory),
}

pub(super) struct State {
    nodes: BTreeMap<Inode, Node>,
    inode_next: Inode,
    open: BTreeMap<Inode, usize>,
    process: u64,
    removals: u32,
    rng: fastrand::Rng,
    stopped: bool,
    pub(super) mutations: u64,
    pub(super) faults: FaultPlan,
}

fn names(path: &Path) -> Vec<&str> {
    let normal = |component| match component {
        Component::Normal(name) => name.to_str(),
        _ => None,
    };
    path.components().filter_map(normal).collect()
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            nodes: BTreeMap::from([(ROOT, Node::Directory(Directory::default()))]),
            inode_next: ROOT + 1,
            open: BTreeMap::new(),
            process: 0,
            removals: 0,
            rng: fastrand::Rng::with_seed(seed),
            stopped: false,
            mutations: 0,
            faults: FaultPlan::default(),
        }
    }

    pub(super) const fn has_stopped(&self) -> bool {
        self.stopped
    }

    pub(super) fn open_files(&self) -> usize {
        self.open.values().sum()
    }

    pub(super) fn crash_process(&mut self) {
        self.process += 1;
        self.open.clear();
        self.stopped = false;
        self.faults = FaultPlan::default();
    }

    pub(super) fn lose_power(&mut self, rng: &mut fastrand::Rng) {
        self.crash_process();
        for node in self.nodes.values_mut() {
            match node {
                Node::File(content) => content.lose_power(rng),
                Node::Directory(directory) => directory.lose_power(rng),
            }
        }
        self.collect();
    }

    pub(super) fn lose_power_keeping(&mut self, bytes: Kept, names: Kept) {
        self.crash_process();
        for node in self.nodes.values_mut() {
            match node {
                Node::File(content) => content.lose_power_keeping(bytes),
                Node::Directory(directory) => directory.lose_power_keeping(names),
            }
        }
        self.collect();
    }

    pub(super) fn check_process(&self, process: u64) -> io::Result<()> {
        if self.stopped || process != self.process {
            return Err(io::Error::other(
                "the process that opened it has ended (injected)",
            ));
        }
        Ok(())
    }

    /// Counts a change, unless the process is stopped here.
    pub(super) fn mutate(&mut self) -> io::Result<()> {
        if let Some(left) = &mut self.faults.stop_after_mutations {
            self.stopped = *left == 0;
            *left = left.saturating_sub(1);
        }
        self.check_process(self.process)?;
        self.mutations += 1;
        Ok(())
    }

    fn directory(&mut self, inode: Inode) -> io::Result<&mut Directory> {
        match self.nodes.get_mut(&inode) {
            Some(Node::Directory(directory)) => Ok(directory),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(not_found()),
        }
    }

    /// See [`Content::spoil`]. Works whatever became of the process.
    pub(super) fn spoil(&mut self, path: &Path, position: usize, from: &[u8], to: &[u8]) -> bool {
        let mut inode = ROOT;
        for name in names(path) {
            let Ok(directory) = self.directory(inode) else {
                return false;
            };
            let Some(next) = directory.get(name) else {
                return false;
            };
            inode = next;
        }
        let content = self.content(inode);
        content.is_ok_and(|content| content.spoil(position, from, to))
    }

    fn content(&mut self, inode: Inode) -> io::Result<&mut Content> {
        match self.nodes.get_mut(&inode) {
            Some(Node::File(content)) => Ok(content),
            Some(Node::Directory(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(not_found()),
        }
    }

    fn find(&mut self, names: &[&str]) -> io::Result<Inode> {
        self.check_process(self.process)?;
        let mut inode = ROOT;
        for name in names {
            inode = self.directory(inode)?.get(name).ok_or_else(not_found)?;
        }
        Ok(inode)
    }

    /// The directory that a path lies in, and the path's last name.
    fn find_parent<'p>(&mut self, path: &'p Path) -> io::Result<(Inode, &'p str)> {
        let names = names(path);
        let (name, parents) = names.split_last().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.find(parents)?, name))
    }

    fn add(&mut self, parent: Inode, name: &str, node: Node) -> io::Result<Inode> {
        let inode = self.inode_next;
        self.directory(parent)?.link(name, inode);
        self.inode_next += 1;
        self.nodes.insert(inode, node);
        Ok(inode)
    }

    pub(super) fn open(&mut self, path: &Path, mode: OpenMode) -> io::Result<(Inode, u64)> {
        let (parent, name) = self.find_parent(path)?;
        let inode = match (self.directory(parent)?.get(name), mode) {
            (Some(inode), _) => inode,
            (None, OpenMode::Create) => {
                self.mutate()?;
                self.add(parent, name, Node::File(Content::default()))?
            }
            (None, OpenMode::Read | OpenMode::Write) => return Err(not_found()),
        };
        self.content(inode)?;
        *self.open.entry(inode).or_default() += 1;
        Ok((inode, self.process))
    }

    pub(super) fn close(&mut self, process: u64, inode: Inode) {
        if process == self.process
            && let Some(count) = self.open.get_mut(&inode)
        {
            *count -= 1;
            if *count == 0 {
                self.open.remove(&inode);
            }
        }
    }

    pub(super) fn read(
        &mut self,
        inode: Inode,
        buffer: &mut [u8],
        position: usize,
    ) -> io::Result<usize> {
        let live = self.content(inode)?.live();
        let mut size = live.len().saturating_sub(position).min(buffer.len());
        if self.faults.short_reads && size > 1 {
            size = self.rng.usize(1..=size);
        }
        if size > 0 {
            let live = self.content(inode)?.live();
            buffer[..size].copy_from_slice(&live[position..position + size]);
        }
        Ok(size)
    }

    pub(super) fn write(
        &mut self,
        inode: Inode,
        bytes: &[u8],
        position: usize,
        fails: bool,
    ) -> io::Result<()> {
        let room = self.room(inode, position, bytes.len())?;
        let size = if fails {
            self.rng.usize(0..=room)
        } else {
            room
        };
        if size > 0 {
            self.content(inode)?.write(position, &bytes[..size]);
        }
        match () {
            () if fails => Err(input_output_error()),
            () if size < bytes.len() => Err(io::ErrorKind::StorageFull.into()),
            () => Ok(()),
        }
    }

    /// How many of `size` bytes at `position` there is room for.
    fn room(&mut self, inode: Inode, position: usize, size: usize) -> io::Result<usize> {
        let Some(capacity) = self.faults.capacity_bytes else {
            return Ok(size);
        };
        let used: usize = self
            .nodes
            .values()
            .map(|node| match node {
                Node::File(content) => content.live().len(),
                Node::Directory(_) => 0,
            })
            .sum();
        let free = usize::try_from(capacity)
            .unwrap_or(usize::MAX)
            .saturating_sub(used);
        let end = self.content(inode)?.live().len().saturating_add(free);
        Ok(end.saturating_sub(position).min(size))
    }

    pub(super) fn size(&mut self, inode: Inode) -> io::Result<usize> {
        Ok(self.content(inode)?.live().len())
    }

    pub(super) fn set_len(&mut self, inode: Inode, size: usize) -> io::Result<()> {
        if self.room(inode, 0, size)? < size {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.content(inode)?.set_len(size);
        Ok(())
    }

    pub(super) fn sync_file(&mut self, inode: Inode, fails: bool) -> io::Result<()> {
        let content = self.content(inode)?;
        if fails {
            content.fail_sync();
            return Err(input_output_error());
        }
        content.sync();
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, path: &Path, fails: bool) -> io::Result<()> {
        let inode = self.find(&names(path))?;
        let directory = self.directory(inode)?;
        if fails {
            return Err(input_output_error());
        }
        directory.sync();
        Ok(())
    }

    /// What fails leaves everything as it was: each file's own sync then says more.
    pub(super) fn sync_all(&mut self, fails: bool) -> io::Result<()> {
        if fails {
            return Err(input_output_error());
        }
        for node in self.nodes.values_mut() {
            match node {
                Node::File(content) => content.sync(),
                Node::Directory(directory) => directory.sync(),
            }
        }
        Ok(())
    }

    pub(super) fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let mut inode = self.find(&[])?;
        for name in names(path) {
            inode = match self.directory(inode)?.get(name) {
                Some(found) => found,
                None => {
                    self.mutate()?;
                    self.add(inode, name, Node::Directory(Directory::default()))?
                }
            };
        }
        self.directory(inode)?;
        Ok(())
    }

    pub(super) fn read_dir(&mut self, path: &Path) -> io::Result<Vec<String>> {
        let inode = self.find(&names(path))?;
        Ok(self.directory(inode)?.names())
    }

    pub(super) fn exists(&mut self, path: &Path) -> io::Result<bool> {
        match self.find(&names(path)) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (parent, from) = self.find_parent(from)?;
        let (_, to) = self.find_parent(to)?;
        self.directory(parent)?.get(from).ok_or_else(not_found)?;
        if let Some(replaced) = self.directory(parent)?.get(to)
            && let Ok(replaced) = self.directory(replaced)
            && !replaced.names().is_empty()
        {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.mutate()?;
        self.directory(parent)?.rename(from, to);
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path, is_directory: bool) -> io::Result<()> {
        let (parent, name) = self.find_parent(path)?;
        let inode = self.directory(parent)?.get(name).ok_or_else(not_found)?;
        if is_directory {
            self.directory(inode)?;
        } else {
            self.content(inode)?;
        }
        self.mutate()?;
        self.directory(parent)?.unlink(name);
        self.removals += 1;
        if self.removals >= REMOVALS_PER_COLLECTION {
            self.removals = 0;
            self.collect();
        }
        Ok(())
    }

    /// Frees what no reader, open file or loss of power can bring back.
    fn collect(&mut self) {
        let mut kept: BTreeSet<Inode> = self.open.keys().copied().collect();
        let mut found = vec![ROOT];
        while let Some(inode) = found.pop() {
            kept.insert(inode);
            if let Some(Node::Directory(directory)) = self.nodes.get(&inode) {
                found.extend(directory.reachable().filter(|inode| !kept.contains(inode)));
            }
        }
        self.nodes.retain(|inode, _| kept.contains(inode));
    }
}
