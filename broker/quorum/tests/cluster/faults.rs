//! What goes wrong, and when.

use kintsugi_quorum::Event;
use kintsugi_types::ControllerId;

use super::world::World;

/// The state of the network.
#[derive(Default)]
pub struct Network {
    /// Directions in which nothing arrives.
    pub cut: std::collections::BTreeSet<(ControllerId, ControllerId)>,
    pub lost_percent: u32,
    pub doubled_percent: u32,
    pub late_percent: u32,
    /// How many percent of disk writes take long.
    pub slow_write_percent: u32,
}

impl World {
    /// Draws the next fault and carries it out.
    pub fn inject(&mut self) -> Result<(), String> {
        let victim = self.any_voter();
        let other = self.any_voter();
        match self.rng.u32(0..100) {
            0..25 => self.crash(victim)?,
            25..35 => {
                // The leader above all: a crash shortly after an election is where votes count.
                if let Some(leader) = self.any_leader() {
                    self.crash(leader)?;
                }
            }
            35..45 => {
                self.network.cut.insert((victim, other));
            }
            45..52 => {
                self.network.cut.insert((victim, other));
                self.network.cut.insert((other, victim));
            }
            52..60 => {
                for peer in self.voters() {
                    self.network.cut.insert((victim, peer));
                    self.network.cut.insert((peer, victim));
                }
            }
            60..78 => self.network.cut.clear(),
            78..80 => self.replace_disk(victim)?,
            80..88 => {
                let millis = self.rng.u64(1..1_500);
                self.freeze(victim, millis);
            }
            88..93 => {
                let to = self.rng.bool().then_some(other);
                self.event(victim, Event::TransferLeadership { to })?;
            }
            93..95 => self.event(victim, Event::LeaderLost { leader: other })?,
            95..97 => self.want_another_size(),
            _ => self.change_weather(),
        }
        Ok(())
    }

    /// Draws how bad the network and the disks are from now on.
    pub fn change_weather(&mut self) {
        let levels = [0, 0, 1, 5, 20];
        let mut draw = || levels[self.rng.usize(0..levels.len())];
        self.network.lost_percent = draw();
        self.network.doubled_percent = draw();
        self.network.late_percent = draw();
        self.network.slow_write_percent = draw();
    }
}
