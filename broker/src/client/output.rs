//! Writing answers: pieces that are not joined first.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind, IoSlice};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use super::intake::STALL_BYTES;

/// How many pieces one system call writes.
const PIECES_MAX: usize = 64;

/// How long a client is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long it may take nothing at all.
    pub silent_max: Duration,
    /// How long it may take hardly anything ([`STALL_BYTES`]) while others wait for memory.
    pub short_max: Duration,
}

/// Writes pieces one after the other.
///
/// # Errors
/// [`ErrorKind::TimedOut`] when the client takes nothing for too long, or hardly anything while
/// `is_short`; else when the connection breaks.
pub async fn write_pieces<W: AsyncWrite + Unpin>(
    writer: &mut W,
    pieces: Vec<Bytes>,
    patience: Patience,
    is_short: impl Fn() -> bool,
) -> Result<(), Error> {
    let mut rest = VecDeque::from(pieces);
    let mut last_taken = Instant::now();
    let (mut looked, mut taken) = (last_taken, 0);
    while !rest.is_empty() {
        let slices: Vec<IoSlice<'_>> = rest
            .iter()
            .take(PIECES_MAX)
            .map(|piece| IoSlice::new(piece))
            .collect();
        let wait = patience.short_max.min(patience.silent_max);
        let written = match timeout(wait, writer.write_vectored(&slices)).await {
            Ok(written) => written?,
            Err(_) => 0,
        };
        let now = Instant::now();
        if written > 0 {
            last_taken = now;
            taken += written;
            advance(&mut rest, written);
        }
        if rest.is_empty() {
            break;
        }
        if now - last_taken >= patience.silent_max {
            return Err(ErrorKind::TimedOut.into());
        }
        if now - looked >= patience.short_max {
            if taken < STALL_BYTES && is_short() {
                return Err(ErrorKind::TimedOut.into());
            }
            (looked, taken) = (now, 0);
        }
    }
    Ok(())
}

fn advance(rest: &mut VecDeque<Bytes>, mut written: usize) {
    while let Some(first) = rest.front_mut() {
        if first.len() > written {
            first.advance(written);
            return;
        }
        written -= first.len();
        rest.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;

    const PATIENCE: Patience = Patience {
        silent_max: Duration::from_millis(400),
        short_max: Duration::from_millis(50),
    };

    #[tokio::test]
    async fn who_takes_nothing_is_let_go_and_sooner_while_memory_is_short() {
        for (is_short, at_least) in [(true, PATIENCE.short_max), (false, PATIENCE.silent_max)] {
            let (mut near, _far) = tokio::io::duplex(7);
            let began = Instant::now();
            let pieces = vec![Bytes::from_static(b"more than seven")];
            let refused = write_pieces(&mut near, pieces, PATIENCE, || is_short).await;
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::TimedOut);
            assert!(began.elapsed() >= at_least);
            assert!(!is_short || began.elapsed() < PATIENCE.silent_max);
        }
    }

    #[tokio::test]
    async fn pieces_come_out_in_order_however_little_is_taken_at_a_time() {
        let (mut near, mut far) = tokio::io::duplex(7);
        let pieces: Vec<Bytes> = (0..100_u8)
            .map(|byte| Bytes::from(vec![byte; usize::from(byte) % 13]))
            .collect();
        let expected: Vec<u8> = pieces.concat();
        let writer = tokio::spawn(async move {
            let written = write_pieces(&mut near, pieces, PATIENCE, || true).await;
            written.unwrap();
        });
        let mut found = Vec::new();
        far.read_to_end(&mut found).await.unwrap();
        writer.await.unwrap();
        assert_eq!(found, expected);
    }
}
