//! What a replica uses and what a broker can give, in four resources.

/// A resource of a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// Bytes on disk.
    Disk,
    /// Bytes received each second, from producers and from leaders.
    NetworkIn,
    /// Bytes sent each second, to consumers and to followers.
    NetworkOut,
    /// Processor time each second, in the unit of the brokers' capacity (cores, or percent).
    Cpu,
}

impl Resource {
    /// All resources, in the order in which the cruise-control profile ranks them.
    pub const ALL: [Resource; 4] = [
        Resource::Disk,
        Resource::NetworkIn,
        Resource::NetworkOut,
        Resource::Cpu,
    ];

    /// The place of this resource in arrays of four.
    pub(crate) fn index(self) -> usize {
        match self {
            Resource::Disk => 0,
            Resource::NetworkIn => 1,
            Resource::NetworkOut => 2,
            Resource::Cpu => 3,
        }
    }

    /// The name of the field that holds this resource in [`Load`].
    pub fn field(self) -> &'static str {
        match self {
            Resource::Disk => "disk_bytes",
            Resource::NetworkIn => "network_in_bytes_per_second",
            Resource::NetworkOut => "network_out_bytes_per_second",
            Resource::Cpu => "cpu",
        }
    }
}

/// Use, or capacity, of the four resources. Values are finite and not negative.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Load {
    /// Bytes on disk.
    pub disk_bytes: f64,
    /// Bytes received each second.
    pub network_in_bytes_per_second: f64,
    /// Bytes sent each second.
    pub network_out_bytes_per_second: f64,
    /// Processor time each second, in one unit for loads and capacities.
    pub cpu: f64,
}

impl Load {
    /// The value of one resource.
    pub fn of(&self, resource: Resource) -> f64 {
        match resource {
            Resource::Disk => self.disk_bytes,
            Resource::NetworkIn => self.network_in_bytes_per_second,
            Resource::NetworkOut => self.network_out_bytes_per_second,
            Resource::Cpu => self.cpu,
        }
    }
}
