//! `meta.properties`: whose directory this is.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use kintsugi_types::{ClusterId, DirectoryId, Generation};

use super::CheckpointError;
use super::partition_metadata::{decode_uuid, encode_uuid};
use crate::fs::FileSystem;

const META_PROPERTIES_FILE: &str = "meta.properties";
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Whose directory this is (Kafka's version 1, and the generation).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetaProperties {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// The broker's or controller's id.
    pub node_id: i32,
    /// The directory, drawn when it was formatted.
    pub directory_id: DirectoryId,
    /// The generation that it was formatted for (`kintsugi.generation`).
    pub generation: Generation,
}

impl MetaProperties {
    /// Reads the file in a directory; `None` if there is none: the directory is not formatted.
    ///
    /// # Errors
    /// When it cannot be read or parsed.
    pub fn read<F: FileSystem>(fs: &F, directory: &Path) -> Result<Option<Self>, CheckpointError> {
        let path = directory.join(META_PROPERTIES_FILE);
        if !fs.exists(&path)? {
            return Ok(None);
        }
        let content = fs.read_to_vec(&path, FILE_BYTES_MAX)?;
        match Self::parse(&String::from_utf8_lossy(&content)) {
            Ok(properties) => Ok(Some(properties)),
            Err(what) => Err(CheckpointError::Malformed { path, what }),
        }
    }

    /// Writes the file durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write<F: FileSystem>(&self, fs: &F, directory: &Path) -> Result<(), CheckpointError> {
        let text = format!(
            "version=1\ncluster.id={}\nnode.id={}\ndirectory.id={}\nkintsugi.generation={}\n",
            self.cluster_id,
            self.node_id,
            encode_uuid(self.directory_id.0),
            self.generation,
        );
        let path = directory.join(META_PROPERTIES_FILE);
        Ok(fs.write_atomically(&path, text.as_bytes())?)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with('#'));
        let properties: BTreeMap<&str, &str> = lines
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.trim(), value.trim()))
            .collect();
        let get = |key: &str| {
            let value = properties.get(key).copied();
            value.ok_or_else(|| format!("{key} is missing"))
        };
        if get("version")? != "1" {
            return Err(format!(
                "version {} is not supported, only 1",
                get("version")?
            ));
        }
        let directory_id = decode_uuid(get("directory.id")?);
        Ok(Self {
            cluster_id: parse_value(get("cluster.id")?, "cluster.id")?,
            node_id: parse_value(get("node.id")?, "node.id")?,
            directory_id: DirectoryId(directory_id.ok_or("directory.id is not an id")?),
            generation: Generation(match properties.get("kintsugi.generation") {
                Some(value) => parse_value(value, "kintsugi.generation")?,
                None => 0,
            }),
        })
    }
}

fn parse_value<T: FromStr>(value: &str, key: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{key}={value} cannot be read"))
}
