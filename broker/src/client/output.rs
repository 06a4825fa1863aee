//! Writing answers: pieces that are not joined first.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind, IoSlice};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

/// How long a client may take no bytes before it is let go.
const WRITE_STALL_MAX: Duration = Duration::from_secs(30);

/// How many pieces one system call writes.
const PIECES_MAX: usize = 64;

/// Writes pieces one after the other.
///
/// # Errors
/// When the connection breaks, or its client takes nothing for too long.
pub async fn write_pieces<W: AsyncWrite + Unpin>(
    writer: &mut W,
    pieces: Vec<Bytes>,
) -> Result<(), Error> {
    let mut rest = VecDeque::from(pieces);
    while !rest.is_empty() {
        let slices: Vec<IoSlice<'_>> = rest
            .iter()
            .take(PIECES_MAX)
            .map(|piece| IoSlice::new(piece))
            .collect();
        let written = timeout(WRITE_STALL_MAX, writer.write_vectored(&slices))
            .await
            .map_err(|_| Error::from(ErrorKind::TimedOut))??;
        if written == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        advance(&mut rest, written);
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

    #[tokio::test]
    async fn pieces_come_out_in_order_however_little_is_taken_at_a_time() {
        let (mut near, mut far) = tokio::io::duplex(7);
        let pieces: Vec<Bytes> = (0..100_u8)
            .map(|byte| Bytes::from(vec![byte; usize::from(byte) % 13]))
            .collect();
        let expected: Vec<u8> = pieces.concat();
        let writer = tokio::spawn(async move { write_pieces(&mut near, pieces).await.unwrap() });
        let mut found = Vec::new();
        far.read_to_end(&mut found).await.unwrap();
        writer.await.unwrap();
        assert_eq!(found, expected);
    }
}
