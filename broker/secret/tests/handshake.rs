//! The handshake, step by step, and against those who do not know the secret.
#![allow(clippy::unwrap_used)]

use kintsugi_secret::Keys;
use kintsugi_secret::handshake::{
    Acceptor, Context, Dialer, FRAME_BYTES_MAX, Nonce, Port, Refusal,
};
use proptest::prelude::*;

const OLD: &str = "0123456789abcdef0123456789abcdef";
const NEW: &str = "fedcba9876543210fedcba9876543210";
const OTHER: &str = "00000000000000000000000000000000";

fn context(secrets: &[&str]) -> Context {
    Context {
        keys: Keys::parse(secrets.join("\n").as_bytes()).unwrap(),
        cluster: "cluster".to_owned(),
        port: Port::Controller,
    }
}

const fn nonce(number: u8) -> Nonce {
    [number; 32]
}

/// A whole handshake: what each side says of the other.
fn shake(dialer: Context, acceptor: Context) -> (Result<(), Refusal>, Option<Result<(), Refusal>>) {
    let (dialling, greeting) = Dialer::greet(dialer, nonce(1));
    let (accepting, challenge) = Acceptor::challenge(acceptor, nonce(2), &greeting).unwrap();
    assert!(greeting.len() <= FRAME_BYTES_MAX && challenge.len() <= FRAME_BYTES_MAX);
    match dialling.answer(&challenge) {
        Ok(proof) => (Ok(()), Some(accepting.admit(&proof))),
        Err(refusal) => (Err(refusal), None),
    }
}

#[test]
fn two_that_share_a_secret_let_each_other_in() {
    let both = (Ok(()), Some(Ok(())));
    assert_eq!(shake(context(&[OLD]), context(&[OLD])), both);
    // At every step of a change of secrets, in either direction.
    for pair in [
        [&[OLD][..], &[OLD, NEW]],
        [&[OLD, NEW], &[NEW, OLD]],
        [&[OLD, NEW], &[NEW]],
        [&[OTHER, OLD, NEW], &[NEW]],
    ] {
        assert_eq!(shake(context(pair[0]), context(pair[1])), both, "{pair:?}");
        assert_eq!(shake(context(pair[1]), context(pair[0])), both, "{pair:?}");
    }
}

#[test]
fn two_without_a_common_secret_cluster_or_port_do_not_trust_each_other() {
    let refused = (Err(Refusal::WrongProof), None);
    assert_eq!(shake(context(&[OLD]), context(&[NEW, OTHER])), refused);
    let mut elsewhere = context(&[OLD]);
    elsewhere.cluster = "another".to_owned();
    assert_eq!(shake(context(&[OLD]), elsewhere), refused);
    let mut replication = context(&[OLD]);
    replication.port = Port::Replication;
    assert_eq!(shake(context(&[OLD]), replication), refused);
}

#[test]
fn an_acceptor_refuses_whoever_does_not_know_its_secret() {
    // This dialer believes any acceptor.
    let stranger = |challenge: &[u8]| -> Vec<u8> {
        let (dialling, greeting) = Dialer::greet(context(&[OTHER]), nonce(1));
        let mine: Nonce = challenge[..32].try_into().unwrap();
        let (_, forged) = Acceptor::challenge(context(&[OTHER]), mine, &greeting).unwrap();
        dialling.answer(&forged).unwrap()
    };
    let (_, greeting) = Dialer::greet(context(&[OTHER]), nonce(1));
    let (accepting, challenge) = Acceptor::challenge(context(&[OLD]), nonce(2), &greeting).unwrap();
    assert_eq!(
        accepting.admit(&stranger(&challenge)),
        Err(Refusal::WrongProof)
    );
}

#[test]
fn what_was_overheard_opens_no_other_connection() {
    let (dialling, greeting) = Dialer::greet(context(&[OLD]), nonce(1));
    let (accepting, challenge) = Acceptor::challenge(context(&[OLD]), nonce(2), &greeting).unwrap();
    let proof = dialling.answer(&challenge).unwrap();
    assert_eq!(accepting.admit(&proof), Ok(()));
    let (again, _) = Acceptor::challenge(context(&[OLD]), nonce(3), &greeting).unwrap();
    assert_eq!(again.admit(&proof), Err(Refusal::WrongProof));
    let (again, _) = Dialer::greet(context(&[OLD]), nonce(4));
    assert_eq!(again.answer(&challenge), Err(Refusal::WrongProof));
}

#[test]
fn a_proof_that_is_sent_back_to_its_maker_is_none() {
    let (_, greeting) = Dialer::greet(context(&[OLD]), nonce(1));
    let (accepting, challenge) = Acceptor::challenge(context(&[OLD]), nonce(2), &greeting).unwrap();
    assert_eq!(accepting.admit(&challenge[32..]), Err(Refusal::WrongProof));
    // The same nonces on both sides change nothing: the sides differ.
    let (accepting, challenge) = Acceptor::challenge(context(&[OLD]), nonce(1), &greeting).unwrap();
    assert_eq!(accepting.admit(&challenge[32..]), Err(Refusal::WrongProof));
}

#[test]
fn a_first_frame_without_a_greeting_is_told_from_a_greeting_of_another_form() {
    let said = |frame: &[u8]| Acceptor::challenge(context(&[OLD]), nonce(2), frame).unwrap_err();
    let (_, greeting) = Dialer::greet(context(&[OLD]), nonce(1));
    let mut newer = greeting.clone();
    newer[4] = 2;
    assert_eq!(said(b""), Refusal::NoProof);
    assert_eq!(said(b"\x01hello"), Refusal::NoProof);
    assert_eq!(said(&newer), Refusal::Malformed);
    assert_eq!(said(&greeting[..greeting.len() - 1]), Refusal::Malformed);
}

proptest! {
    #[test]
    fn garbage_is_refused_at_every_step(frame in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (dialling, greeting) = Dialer::greet(context(&[OLD, NEW]), nonce(1));
        prop_assert!(dialling.answer(&frame).is_err());
        let (accepting, _) = Acceptor::challenge(context(&[OLD, NEW]), nonce(2), &greeting).unwrap();
        prop_assert!(accepting.admit(&frame).is_err());
        let greeted = Acceptor::challenge(context(&[OLD]), nonce(2), &frame);
        prop_assert!(greeted.is_err() || frame.starts_with(b"KTSG\x01"));
    }

    #[test]
    fn one_changed_bit_is_enough(step in 0_u8..3, at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let damage = |frame: &mut Vec<u8>| {
            let at = at.index(frame.len());
            frame[at] ^= 1 << bit;
        };
        let (dialling, mut greeting) = Dialer::greet(context(&[OLD]), nonce(1));
        if step == 0 { damage(&mut greeting); }
        let challenged = Acceptor::challenge(context(&[OLD]), nonce(2), &greeting);
        let Ok((accepting, mut challenge)) = challenged else { return Ok(()) };
        if step == 1 { damage(&mut challenge); }
        let Ok(mut proof) = dialling.answer(&challenge) else { return Ok(()) };
        prop_assert_eq!(step, 2, "damage was believed");
        damage(&mut proof);
        prop_assert_eq!(accepting.admit(&proof), Err(Refusal::WrongProof));
    }
}
