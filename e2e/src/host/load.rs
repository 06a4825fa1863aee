//! How many processes want to run on this host: whether a figure was taken beside other work.

/// The load averages of the last 1, 5 and 15 minutes, as the kernel writes them.
#[must_use]
pub fn averages() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let words: Vec<&str> = text.split_whitespace().take(3).collect();
    words.join(" ")
}
